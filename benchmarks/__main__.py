"""`python benchmarks`: the adapter's cost as ratios measured in one run, at full model size with seeded weights.

Needs a ComfyUI (COMFYUI_PATH, or ~/comfy/ComfyUI) and the environment of `python quickstart test`.
SD1.5 takes about 8 GB of memory on the CPU, SDXL about 18 GB.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
from pathlib import Path

# Spinning OpenMP threads starve each other on few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    args = _parse()
    pack = load_pack(Path(args.comfyui).expanduser(), args.cpu)
    import comfy.model_management
    import full_size
    import torch
    from figures import Bench, measure_encoding

    device = comfy.model_management.get_torch_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()} CPU cores"
    report = {"device": name, "torch": torch.__version__, "platform": platform.platform(), "rounds": args.rounds}
    with torch.inference_mode():
        clip_vision = full_size.make_clip_vision()
        report["encoding"] = measure_encoding(pack, clip_vision, args.rounds)
        for base in args.bases:
            bench = Bench(pack, base, args.rounds)
            report[base] = {
                "dtype": str(bench.dtype),
                "latent": bench.latent,
                "step": bench.measure_step(args.ipadapter and Path(args.ipadapter)),
                "switching": bench.measure_switching(),
                "memory": bench.measure_memory(),
            }
            if clip_vision:
                report["before sampling"] = bench.measure_preparation(clip_vision)
            clip_vision = None  # SDXL needs the memory
            bench.close()
            del bench
    print_report(report)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1))


def print_report(report: dict) -> None:
    print(f"{report['device']}, torch {report['torch']}, {report['rounds']} rounds; medians, ratios by round")
    print_ways("identity encoding", report["encoding"])
    print_ways("before sampling", report["before sampling"])
    for base in (base for base in ("sd15", "sdxl") if base in report):
        figures = report[base]
        print(f"\n{base}, {figures['dtype']}, latent {figures['latent'][0]}x{figures['latent'][1]}")
        print_ways("one step", figures["step"])
        print_ways("switching", figures["switching"])
        print(f"  memory in bytes: {figures['memory']}")


def print_ways(title: str, ways: dict[str, dict[str, float]]) -> None:
    print(f"  {title}")
    for name, figures in ways.items():
        ratios = "  ".join(f"{key[3:]} x{value:.3f}" for key, value in figures.items() if key != "seconds")
        print(f"    {name:<18}{figures['seconds']:8.3f} s   = {ratios}")


def load_pack(comfyui: Path, cpu: bool):
    """The pack in this process, as ComfyUI would load it."""
    sys.path.insert(0, str(comfyui))
    import comfy.options

    comfy.options.enable_args_parsing(False)
    import torch
    from comfy.cli_args import args

    args.cpu = cpu or not torch.cuda.is_available()
    spec = importlib.util.spec_from_file_location(
        "comfyui_consistentid", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    pack = importlib.util.module_from_spec(spec)
    sys.modules["comfyui_consistentid"] = pack
    spec.loader.exec_module(pack)
    return pack


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("bases", nargs="*", default=["sd15", "sdxl"], help="sd15, sdxl or both (default)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of alternation (default 9)")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument("--comfyui", default=os.environ.get("COMFYUI_PATH", "~/comfy/ComfyUI"))
    parser.add_argument("--ipadapter", help="a checkout of ComfyUI_IPAdapter_plus, to compare with its patch")
    parser.add_argument("--json", help="write the report to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
