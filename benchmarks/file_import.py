"""Modules out of files that are on no path."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


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
