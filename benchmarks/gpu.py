"""`python -m benchmarks.gpu FOLDER`: what a graphics card takes, in under ten minutes, as FOLDER/gpu.json and gpu.md.

Runs where only this repository, Python packages and a ComfyUI are; nothing is downloaded, weights are seeded. Each part
is a process with a time limit of its own: one that fails loses no other, and what a part had measured by then counts.
`python -m benchmarks.gpu FOLDER --write-docs` puts the tables of FOLDER into the docs. `--device cpu --small` tries all
out in small, without a graphics card.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quickstart.kept_process import end_kept, start_kept

from .gpu_tables import make_tables, write_docs
from .host_folder import find_host

LIMITS = {
    "packages": 60,
    "precision_sd15": 60,
    "step_sd15": 60,
    "picture_sd15": 60,
    "memory_sd15": 75,
    "step_sdxl": 90,
    "picture_sdxl": 90,
    "memory_sdxl": 120,
    "training": 120,
}
"""Seconds that each part may take, in the order in which they run."""
SLOWER = {"cuda": 1, "cpu": 10}
MINUTES = 9.5
ROOT = Path(__file__).resolve().parents[1]
CHILD = ROOT / "benchmarks" / "gpu_parts.py"


def main(words: list[str] | None = None) -> int:
    args = _parse(words)
    file = args.folder / "gpu.json"
    if args.write_docs:
        changed = write_docs(json.loads(file.read_text(encoding="utf-8")))
        print("\n".join(f"written: {name}" for name in changed))
        return 0
    if not (Path(args.comfyui).expanduser() / "comfy").is_dir():
        print(f"{args.comfyui} is no folder of ComfyUI: name it with --comfyui, or in COMFYUI_PATH.")
        return 1
    args.folder.mkdir(parents=True, exist_ok=True)
    report = {"small": args.small, "asked": args.device, "parts": {}}
    ends = time.monotonic() + 60 * args.minutes
    for part in args.parts:
        left = ends - time.monotonic()
        report["parts"][part] = told = (
            run_part(part, args, min(SLOWER[args.device] * LIMITS[part], left)) if left > 5 else NO_TIME
        )
        print(f"{part}: {told['state']}, {told['seconds']:.0f} s", flush=True)
        file.write_text(json.dumps(report, indent=1), encoding="utf-8")
        (args.folder / "gpu.md").write_text(make_tables(report), encoding="utf-8")
        for name in told["figures"].get("missing", []):
            print(f"  package that lacks for ComfyUI: {name}")
        if is_wrong_device(told, args.device):
            print("No CUDA device was found by PyTorch: `--device cpu --small` tries the script out without one.")
            return 1
    return int(any(told["state"] != "done" for told in report["parts"].values()))


NO_TIME = {"state": "no time left", "seconds": 0.0, "figures": {}}


def run_part(part: str, args: argparse.Namespace, limit: float) -> dict:
    """state: done, or what became of it; figures: those it had written."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
    if args.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    options = [f"--comfyui={args.comfyui}", f"--device={args.device}", f"--rounds={args.rounds}"]
    options += [f"--ipadapter={args.ipadapter}"] * bool(args.ipadapter) + ["--small"] * args.small
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, (args.folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"\n== {part}\n")
        log.flush()
        figures, start = Path(folder) / "figures.json", log.tell()
        command = [sys.executable, str(CHILD), part, str(figures), *options]
        process = start_kept(command, stdout=log, stderr=log, env=environment)
        try:
            code = process.wait(limit)
            state = "done" if code == 0 else f"failed: {read_last_line(Path(log.name), start)}"
        except subprocess.TimeoutExpired:
            state = f"stopped after {limit:.0f} s"
        finally:
            end_kept(process)
        found = json.loads(figures.read_text()) if figures.is_file() else {}
    return {"state": state, "seconds": time.monotonic() - began, "figures": found}


def read_last_line(log: Path, start: int) -> str:
    """What a part said last, which is its error."""
    lines = log.read_bytes()[start:].decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def is_wrong_device(told: dict, asked: str) -> bool:
    return asked != "cpu" and told["figures"].get("device") == "CPU"


def _parse(words: list[str] | None) -> argparse.Namespace:
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__, formatter_class=kind)
    parser.add_argument("folder", type=Path, help="where the results go, or are")
    parser.add_argument("--write-docs", action="store_true", help="put the results of an earlier run into the docs")
    parser.add_argument("--comfyui", default=find_host())
    parser.add_argument("--ipadapter", help="a checkout of ComfyUI_IPAdapter_plus, to compare with its patch")
    names = list(LIMITS)
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all together (default {MINUTES})")
    parser.add_argument("--rounds", type=int, default=15, help="of alternation, of the steps")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes: the figures say nothing")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
