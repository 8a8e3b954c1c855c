"""`python -m benchmarks.start [PACK ...]`: what this pack adds to ComfyUI's start, beside other packs in their folders.

Every round loads each pack by ComfyUI's own loader, in a process of its own that was forked off a ComfyUI with all of
its own nodes; so no pack finds what another one imported. The first round, which compiles, is not counted. CPU time,
since what else the machine does is not in it; files are those opened while loading; memory is what grew of resident
pages.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from .host_folder import find_host

ROOT = Path(__file__).resolve().parents[1]
PAGE = 4096
HEAVY = ("cv2", "diffusers", "insightface", "onnxruntime", "skimage", "torchvision", "transformers")


def main() -> None:
    args = _parse()
    started = time.process_time()
    load = start_host(Path(args.comfyui).expanduser())
    print(f"ComfyUI alone: {time.process_time() - started:.1f} s of CPU time")
    print("| pack | CPU time | memory | modules | files opened | heavy packages |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as compiled:
        sys.dont_write_bytecode, sys.pycache_prefix = False, compiled
        gc.freeze()  # or a collection would copy all of ComfyUI's objects into the fork, and be counted
        packs = [ROOT, *args.packs]
        rounds = [[in_fork(lambda pack=pack: measure(load, pack)) for pack in packs] for _ in range(args.rounds + 1)]
    for pack, runs in zip(packs, zip(*rounds[1:], strict=True), strict=True):
        seconds, grown = (statistics.median(run[key] for run in runs) for key in ("seconds", "bytes"))
        last = runs[-1]
        name, heavy = "this one" if pack == ROOT else pack.name, ", ".join(last["heavy"]) or "none"
        cells = (name, f"{seconds * 1e3:.0f} ms", f"{grown / 1e6:.1f} MB", last["modules"], last["opened"], heavy)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def start_host(folder: Path):
    """ComfyUI's loader of packs, when its own nodes are there."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.path[:] = [path for path in sys.path if path and Path(path) != ROOT]  # whose nodes/ would hide nodes.py
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True
    # First, as main.py has it: other packages have a `utils` too.
    import utils.extra_config  # noqa: F401  # pyright: ignore[reportMissingImports]

    import nodes

    asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False))  # pyright: ignore[reportAttributeAccessIssue]
    return nodes.load_custom_node  # pyright: ignore[reportAttributeAccessIssue]


def measure(load, pack: Path) -> dict:
    """Loads a pack into this process."""
    before, opened = set(sys.modules), []
    sys.addaudithook(lambda event, values: opened.append(values[0]) if event == "open" else None)
    resident, started = count_bytes(), time.process_time()
    if not asyncio.run(load(str(pack))):
        raise SystemExit(f"{pack} was not loaded; ComfyUI says why above.")
    seconds, grown = time.process_time() - started, count_bytes() - resident
    new = set(sys.modules) - before
    heavy = sorted({name.partition(".")[0] for name in new} & set(HEAVY))
    return {"seconds": seconds, "bytes": grown, "modules": len(new), "opened": len(opened), "heavy": heavy}


def count_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def in_fork(work) -> dict:
    """What work gives, done in a copy of this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return json.loads(answer.read())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packs", nargs="*", type=lambda text: Path(text).resolve(), help="folders of other packs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--comfyui", default=find_host())
    return parser.parse_args()


if __name__ == "__main__":
    main()
