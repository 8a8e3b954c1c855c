"""The quick start's files import each other as plain modules, and so do the stand-ins: both folders go to sys.path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "quickstart"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "stand_ins"))

import pytest

from comfyui_folder import find_comfyui


@pytest.fixture(scope="session")
def comfyui():
    return find_comfyui()
