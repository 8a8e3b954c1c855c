"""`python benchmarks`: the adapter's cost as ratios measured in one run, at full model size with seeded weights.

Needs a ComfyUI (COMFYUI_PATH, or ~/comfy/ComfyUI) and the environment of `python quickstart test`.
SD1.5 takes about 8 GB of memory on the CPU, SDXL about 18 GB.
"""

import argparse
import json
import os
import platform
from pathlib import Path

from host_folder import find_host
from pack import load_pack

# Spinning OpenMP threads starve each other on few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FIGURES = ("identity", "step", "switching", "memory")


def main() -> None:
    args = _parse()
    pack = load_pack(Path(args.comfyui).expanduser(), args.cpu, args.estimate)
    import comfy.model_management
    import torch

    if args.estimate:
        from memory import print_estimates

        return print_estimates(pack.consistentid, args.bases)
    device = comfy.model_management.get_torch_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()} CPU cores"
    report = {"device": name, "torch": torch.__version__, "platform": platform.platform(), "rounds": args.rounds}
    print(f"{name}, torch {torch.__version__}, {args.rounds} rounds; medians, and ratios by round", flush=True)
    with torch.inference_mode():
        if "sd15" in args.bases and "identity" in args.only:
            report["identity"] = measure_identity(pack, args.rounds)
        for base in args.bases:
            report[base] = measure_base(pack, base, args)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1))


def measure_identity(pack, rounds: int) -> dict:
    """What comes before sampling; apart from the UNets, for the memory's sake."""
    import full_size
    from figures import Bench, measure_encoding

    clip_vision = full_size.make_clip_vision()
    figures = {"encoding": measure_encoding(pack, clip_vision, rounds)}
    bench = Bench(pack, "sd15", rounds)
    figures["before sampling"] = bench.measure_preparation(clip_vision)
    bench.close()
    for title, ways in figures.items():
        print_ways(title, ways)
    return figures


def measure_base(pack, base: str, args: argparse.Namespace) -> dict:
    from figures import Bench

    bench = Bench(pack, base, args.rounds)
    print(f"\n{base}, {bench.dtype}, latent {bench.latent[0]}x{bench.latent[1]}")
    figures = {"dtype": str(bench.dtype), "latent": bench.latent}
    if "step" in args.only:
        figures["step"] = bench.measure_step(args.ipadapter and Path(args.ipadapter))
        print_ways("one step", figures["step"])
    if "switching" in args.only:
        figures["switching"] = bench.measure_switching()
        print_ways("switching", figures["switching"])
    if "memory" in args.only:
        figures["memory"] = bench.measure_memory()
        print(f"  memory in bytes: {figures['memory']}", flush=True)
    bench.close()
    return figures


def print_ways(title: str, ways: dict[str, dict[str, float]]) -> None:
    print(f"  {title}")
    for name, figures in ways.items():
        ratios = "  ".join(f"{key[3:]} x{value:.3f}" for key, value in figures.items() if key != "seconds")
        print(f"    {name:<18}{figures['seconds']:8.3f} s   = {ratios}", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bases", nargs="*", default=["sd15", "sdxl"], help="sd15, sdxl or both (default)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of alternation (default 9)")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument("--comfyui", default=find_host())
    parser.add_argument("--ipadapter", help="a checkout of ComfyUI_IPAdapter_plus, to compare with its patch")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=FIGURES, help="some figures, not all")
    parser.add_argument("--estimate", action="store_true", help="VRAM and work of a portrait, from sizes; runs nothing")
    parser.add_argument("--json", help="write the report to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
