"""`python scripts/workflows`: write workflows/NAME.json and subgraphs/NAME.json as their layouts draw them.

Needs a ComfyUI (COMFYUI_PATH, or the usual places) and the environment of `python quickstart test`.
"""

import sys
from pathlib import Path

if not __package__:  # run as a folder
    import runpy

    sys.path[0] = str(Path(__file__).resolve().parents[2])
    runpy.run_module("scripts.workflows", run_name="__main__", alter_sys=True)
    sys.exit()

import argparse
from tempfile import TemporaryDirectory

from quickstart.comfyui_folder import find_comfyui
from quickstart.failure import Failure

from .draw import draw_all
from .files import ROOT, write_changed
from .host import load_pack
from .node_schemas import read_schemas


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python scripts/workflows", description="Draws the workflows for the editor.")
    parser.add_argument("--comfyui", help="ComfyUI's folder (default: COMFYUI_PATH, or the usual places)")
    try:
        comfyui = find_comfyui(parser.parse_args().comfyui)
    except Failure as failure:
        return _fail(str(failure))
    if not comfyui:
        return _fail("No ComfyUI found. Name one with --comfyui or COMFYUI_PATH.")
    with TemporaryDirectory() as folder:
        schemas = read_schemas(load_pack(comfyui, folder), comfyui)
    files = draw_all(schemas)
    for path in write_changed(files):
        print(f"changed: {path.relative_to(ROOT).as_posix()}")
    print(f"{len(files)} files are as their layouts draw them.")
    return 0


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
