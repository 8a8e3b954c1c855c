"""The recipes need diffusers, and gradients."""

import importlib.util

import pytest
import torch


def pytest_itemcollected(item):
    if item.path.name.startswith("test_recipe_") and importlib.util.find_spec("diffusers") is None:
        item.add_marker(pytest.mark.skip(reason="diffusers is not installed: pip install diffusers transformers"))


@pytest.fixture(scope="module", autouse=True)
def gradients():
    """Other tiers leave inference mode on for the whole session."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
