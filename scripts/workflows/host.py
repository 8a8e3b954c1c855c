"""ComfyUI and the pack in this process."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

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


def import_file(name: str, path: Path, folder: Path | None = None) -> ModuleType:
    """The module in a file, known as `name` from then on. folder: where its submodules are, for a package."""
    places = None if folder is None else [str(folder)]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a file of Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
