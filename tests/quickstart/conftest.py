"""The quick start's files import each other as plain modules, and so do the stand-ins and the files here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "quickstart"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "stand_ins"))
sys.path.append(str(Path(__file__).resolve().parent))

import pytest

from comfyui_folder import find_comfyui


@pytest.fixture(scope="session")
def comfyui():
    return find_comfyui()
