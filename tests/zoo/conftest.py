"""Loads `zoo` by path: the repository root is never put on sys.path.

pytest may have taken this folder of tests for a package of that name; the real one replaces it.
"""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "zoo"
spec = importlib.util.spec_from_file_location("zoo", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])
sys.modules["zoo"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["zoo"])


def pytest_itemcollected(item):
    if item.path.name.startswith("test_recipe_") and importlib.util.find_spec("diffusers") is None:
        item.add_marker(pytest.mark.skip(reason="diffusers is not installed: pip install diffusers transformers"))


@pytest.fixture(scope="module", autouse=True)
def gradients():
    """Other tiers leave inference mode on for the whole session."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
