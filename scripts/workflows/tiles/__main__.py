"""`python -m scripts.workflows.tiles [NAME ...]`: draw workflows/NAME.jpg, which the editor's templates show.

All of them without a name. Those of the small models run in a ComfyUI (COMFYUI_PATH, or the usual places), on the CPU,
as they are; the others are schematics, drawn without models.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from quickstart.comfyui_folder import find_comfyui
from quickstart.failure import Failure

from ..files import NAMES, ROOT
from .draw import write_tile
from .results import RESULTS, run_workflows


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.workflows.tiles", description="Draws the templates' tiles."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a workflow (default: all)")
    parser.add_argument("--comfyui", help="ComfyUI's folder (default: COMFYUI_PATH, or the usual places)")
    args = parser.parse_args()
    names = args.names or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"no workflow is named {', '.join(unknown)}; there are {', '.join(NAMES)}")
    try:
        _write_results([name for name in names if name in RESULTS], args.comfyui)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    for name in names:
        if name not in RESULTS:
            _tell(write_tile(name))
    return 0


def _write_results(names: list[str], named: str | None) -> None:
    """Raises Failure without a ComfyUI, or when a run fails."""
    if not names:
        return
    comfyui = find_comfyui(named)
    if not comfyui:
        raise Failure("No ComfyUI found. Name one with --comfyui or COMFYUI_PATH.")
    with TemporaryDirectory() as folder:
        for name, result in run_workflows(names, comfyui, Path(folder)):
            _tell(write_tile(name, result))


def _tell(path: Path) -> None:
    print(f"{path.relative_to(ROOT).as_posix()}: {path.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    sys.exit(main())
