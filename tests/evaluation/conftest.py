"""Fixtures of the evaluation tests. The files here import each other as plain modules."""

import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    from tiny_encoders import make_clip

    return make_clip(tmp_path_factory.mktemp("clip") / "tiny clip")


@pytest.fixture(scope="session")
def dino_folder(tmp_path_factory) -> Path:
    from tiny_encoders import make_dino

    return make_dino(tmp_path_factory.mktemp("dino") / "tiny dino")


@pytest.fixture(scope="session")
def album(astronaut, tmp_path_factory) -> Path:
    """Two people: ada, and ben whose photo is darker."""
    folder = tmp_path_factory.mktemp("album")
    Image.fromarray(astronaut).save(folder / "ada.png")
    Image.fromarray((astronaut * 0.8).astype("uint8")).save(folder / "ben.png")
    return folder


@pytest.fixture
def photos(album, tmp_path) -> Path:
    """The album, to be written into."""
    return Path(shutil.copytree(album, tmp_path / "photos"))


@pytest.fixture
def plan(photos):
    """Two people, two prompts, one seed."""
    from consistentid.evaluation.plan import read_plan

    rows = [f"{person}.png,{prompt}" for person in ("ada", "ben") for prompt in ("a red hat", "a blue coat")]
    (photos / "plan.csv").write_text("\n".join(["photo,prompt", *rows]), encoding="utf-8")
    return read_plan(photos / "plan.csv", seeds=[7])
