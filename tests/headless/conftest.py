"""Fixtures of the headless tests; their models are in headless_models.py, imported as a plain module."""

import sys
from pathlib import Path

import pytest
import torch

from consistentid.identity import Identity

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install diffusers accelerate peft")


HERE = Path(__file__).resolve().parent
STANDINS = HERE.parent / "stand_ins"
sys.path.append(str(HERE))


@pytest.fixture(autouse=True)
def inference():
    with torch.inference_mode():
        yield


@pytest.fixture
def make_identity():
    """A person with seeded features; by default with all five regions."""

    def make(regions=("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip"), **fields):
        generator = torch.Generator().manual_seed(0)
        features = {key: torch.randn(257, 1280, generator=generator) for key in ("photo", "zero", *regions)}
        embedding = torch.nn.functional.normalize(torch.randn(512, generator=generator), dim=0)
        return Identity(features.pop("photo"), features.pop("zero"), features, **{"id_embedding": embedding, **fields})

    return make


@pytest.fixture(scope="session")
def standins():
    """Writers of tiny models in diffusers' format (tests/stand_ins/headless_standins.py)."""
    if str(STANDINS) not in sys.path:
        sys.path.append(str(STANDINS))
    import headless_standins

    return headless_standins


@pytest.fixture(scope="session")
def files(standins) -> dict[str, Path]:
    """Stand-ins for every file of an SD1.5 run; made once, then kept in .cache."""
    return standins.prepare(["checkpoint", "adapter", "clip_vision", "face_parser", "face_package"])


@pytest.fixture(scope="session")
def photo(tmp_path_factory) -> Path:
    """NASA's public-domain portrait of Eileen Collins, as a file."""
    from PIL import Image
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(astronaut()).save(path)
    return path


@pytest.fixture(scope="session")
def adapter(files):
    from consistentid.adapter.checkpoint import load_adapter

    return load_adapter(files["adapter"]).to("cpu", torch.float32)
