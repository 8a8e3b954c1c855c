"""The files here import each other as plain modules, and so do the stand-ins."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "stand_ins"))
sys.path.append(str(Path(__file__).resolve().parent))

import pytest

from quickstart.comfyui_folder import find_comfyui


@pytest.fixture(scope="session")
def comfyui():
    return find_comfyui()
