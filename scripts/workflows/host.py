"""ComfyUI and the pack in this process."""

import importlib.util
import sys
from pathlib import Path

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
    spec = importlib.util.spec_from_file_location(
        "comfyui_consistentid", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    pack = importlib.util.module_from_spec(spec)
    sys.modules["comfyui_consistentid"] = pack
    spec.loader.exec_module(pack)
    return pack
