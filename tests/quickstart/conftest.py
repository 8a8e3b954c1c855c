"""quickstart's files import each other as plain modules: their folder goes to the end of sys.path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "quickstart"))

import pytest

from comfyui_folder import find_comfyui


@pytest.fixture(scope="session")
def comfyui():
    return find_comfyui()
