"""A part of `python -m benchmarks.gpu`, in a process of its own: each figure is written as soon as it is there."""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

from pack import ROOT, load_pack

CARDS_GB = (12, 8, 6)
OPTIONAL = ("diffusers", "accelerate", "yaml", "pytest", "skimage", "onnxruntime")
TRAINING = {"base": "zoo", "checkpoint": str(ROOT / "zoo/models/base"), "resolution": 128, "rank": 16, "log_every": 5}
TRAINING |= {"clip_vision": str(ROOT / "zoo/models/image_encoder"), "batch": 4, "micro_batch": 4}


class Record:
    """Figures in a file that is whole at any time."""

    def __init__(self, file: Path):
        self.file, self.figures = file, {}

    def note(self, **figures) -> None:
        self.figures |= figures
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.figures))
        part.replace(self.file)


def main(words: list[str] | None = None) -> None:
    args = _parse(words)
    name, _, base = args.part.partition("_")
    record = Record(args.file)
    if name in ("packages", "training"):
        return PARTS[name](args, record)
    import torch

    pack = load_pack(args.comfyui, cpu=args.device == "cpu")
    with torch.inference_mode():
        PARTS[name](args, record, pack, base)


def tell_packages(args, record: Record) -> None:
    """Versions, the device, and which packages lack for ComfyUI and this pack, or for single parts only."""
    missing = list_missing(lambda: load_pack(args.comfyui, cpu=True))
    record.note(missing=missing)
    record.note(missing_for_parts=[name for name in OPTIONAL if importlib.util.find_spec(name) is None])
    import torch

    has_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if has_gpu else "CPU"
    total = torch.cuda.get_device_properties(0).total_memory if has_gpu else 0
    record.note(device=device, device_bytes=total, torch=torch.__version__, python=sys.version.split()[0])
    version = args.comfyui / "comfyui_version.py"
    found = version.read_text().partition('"')[2].partition('"')[0] if version.is_file() else "unknown"
    record.note(comfyui=found)


def list_missing(load) -> list[str]:
    """Packages that an import asks for in vain: each is made up, and the import tried again."""
    missing: list[str] = []
    for _ in range(40):
        try:
            load()
            break
        except ModuleNotFoundError as error:
            if not error.name or error.name in missing:
                raise
            missing.append(error.name)
            sys.modules[error.name] = mock.MagicMock(__spec__=None)
    return [name for name in missing if name.partition(".")[0] == name]


def check_precision(args, record: Record, pack, base: str) -> None:
    """A step in float16 and bfloat16 beside float32 on the same device: with the person no further off than without."""
    import torch
    from figures import Bench, list_patches

    expected: dict[str, torch.Tensor] = {}
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        bench = Bench(pack, base, 1, args.small, dtype)
        model, step = bench.prepare_step()
        found = {"plain": step()().float().cpu(), "adapter": step(list_patches(model))().float().cpu()}
        bench.close()
        expected = expected or found
        errors = {key: float((found[key] - one).norm() / one.norm()) for key, one in expected.items()}
        record.note(**{str(dtype).removeprefix("torch."): errors})
        if not errors["adapter"] <= max(1.5 * errors["plain"], 0.02):  # nor NaN
            raise SystemExit(f"With the person {dtype} is further off than without: {errors}")


def measure_step(args, record: Record, pack, base: str) -> None:
    from figures import Bench

    bench = Bench(pack, base, args.rounds, args.small)
    record.note(dtype=str(bench.dtype), latent=bench.latent)
    record.note(step=bench.measure_step(args.ipadapter))
    record.note(switching=bench.measure_switching())
    record.note(memory=bench.measure_memory())


def measure_pictures(args, record: Record, pack, base: str) -> None:
    """Seconds of a picture of the published size and steps, with the person and without, in turn."""
    from portraits import STEPS, Studio

    studio, steps = Studio(pack, base, args.small), 2 if args.small else STEPS
    if not args.small:
        studio.draw(steps=2)  # warms up
    record.note(size_px=[8 * side for side in studio.latent[::-1]], steps=steps)
    record.note(first=studio.draw(steps=steps).to_json())
    drawn: dict[str, list] = {"person": [], "plain": []}
    for _ in range(1 if args.small else 3):
        for name, runs in drawn.items():
            runs.append(studio.draw(steps=steps, with_person=name == "person").seconds)
            stages = {stage: statistics.median(one[stage] for one in runs) for stage in runs[0]}
            record.note(**{name: {"seconds": sum(stages.values()), "stages": stages}})


def measure_memory(args, record: Record, pack, base: str) -> None:
    """Peaks of each kind of workflow, then of a portrait on cards of less memory."""
    import torch
    from portraits import KINDS, Studio

    studio, steps = Studio(pack, base, args.small), 2 if args.small else 8
    for kind in KINDS:
        studio.clear()
        record.note(**{kind: studio.draw(kind, steps).to_json()})
    studio.clear()
    record.note(**{"read a photo": studio.read_person().to_json()})
    for size in CARDS_GB:
        studio.clear()
        limit_memory(size * 10**9)
        try:
            record.note(**{f"{size} GB": studio.draw("portrait", steps).to_json()})
        except torch.OutOfMemoryError as error:
            record.note(**{f"{size} GB": {"error": str(error).partition(".")[0]}})


def limit_memory(size: int) -> None:
    """Let PyTorch have `size` bytes of the GPU in all, and ComfyUI see no more."""
    import torch

    if not torch.cuda.is_available():
        return
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, size / total))
    torch.cuda.mem_get_info = lambda device=None: (max(0, size - torch.cuda.memory_reserved()), size)


def train_small(args, record: Record) -> None:
    """Steps of an adapter for the small base model, on drawn faces."""
    sys.path.insert(0, str(ROOT))
    import torch

    from consistentid.training import loop
    from consistentid.training.config import read_config
    from consistentid.training.log_file import NAME, read_log
    from zoo.drawn_faces.__main__ import main as draw

    folder, seconds, take = args.file.parent, [], loop.take_step
    people = ("2", "1") if args.small else ("8", "4")
    draw(["dataset", str(folder / "set"), "--people", people[0], "--scenes", people[1], "--size", "128"])
    steps = 2 if args.small else args.training_steps
    settings = {**TRAINING, "dataset": str(folder / "set"), "output": str(folder / "run"), "steps": steps}
    (folder / "small.yaml").write_text(json.dumps(settings))  # JSON is YAML

    def take_in_time(*words):
        start = time.perf_counter()
        losses = take(*words)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
        record.note(steps=len(seconds), step_seconds=statistics.median(seconds), batch=settings["batch"])
        record.note(peak_bytes=peak)
        return losses

    with mock.patch.object(loop, "take_step", take_in_time):
        loop.train(read_config(folder / "small.yaml"))
    log = read_log(folder / "run" / NAME)
    losses = [line["loss"] for line in log if "loss" in line]
    record.note(losses=[losses[0], losses[-1]] if losses else [])


PARTS = {
    "packages": tell_packages,
    "precision": check_precision,
    "step": measure_step,
    "picture": measure_pictures,
    "memory": measure_memory,
    "training": train_small,
}


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("part")
    parser.add_argument("file", type=Path)
    parser.add_argument("--comfyui", type=lambda text: Path(text).expanduser(), default="~/comfy/ComfyUI")
    parser.add_argument("--ipadapter", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--training-steps", type=int, default=300)
    parser.add_argument("--small", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
