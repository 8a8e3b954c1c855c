"""Packages of this repository, imported by path: its root is never put on sys.path."""

import importlib
import importlib.util
import sys
from functools import partial

from project_environment import REPO


def load_package(name):
    """A function that imports `name.<module>`; name: "consistentid" or "zoo"."""
    if name not in sys.modules:
        folder = REPO / name
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        sys.modules[name] = package = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(package)
    return partial(_import_module, name)


def _import_module(name, module):
    return importlib.import_module(f"{name}.{module}")
