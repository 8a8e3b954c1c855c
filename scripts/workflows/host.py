"""ComfyUI and the pack in this process."""

import sys
from pathlib import Path

from benchmarks.file_import import import_file

from .files import ROOT


def load_pack(comfyui: Path, base_directory: str):
    """The pack as ComfyUI would load it, on the CPU; models, input and output belong to the base directory.

    ComfyUI goes before everything else on sys.path: the pack's `nodes/` would hide its nodes.py.
    """
    sys.path.insert(0, str(comfyui))
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu, args.base_directory = True, base_directory
    return import_file("comfyui_consistentid", ROOT / "__init__.py", ROOT)
