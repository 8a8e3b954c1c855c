"""Likeness by dlib's own package and models; see fetch.py."""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))

from fetch import FOLDER, PIECES

from consistentid.errors import CheckpointError, IncompatibleModelError
from consistentid.face.dlib_models import RECOGNISER, SCALE
from consistentid.face.package import load_face_analysis
from consistentid.face.photo import open_photo
from consistentid.face.search import detect_faces
from consistentid.face.selection import select_face
from consistentid.likeness.faces import score_pictures
from consistentid.likeness.report import report_likeness

NEEDED = [name for name in PIECES if not name.startswith("package/")]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all((FOLDER / name).is_file() for name in NEEDED), reason="no real face models: python tests/real/fetch.py"
    ),
]


@pytest.fixture(scope="module")
def analysis():
    pytest.importorskip("dlib", reason="no dlib: python -m pip install dlib-bin")
    return load_face_analysis(FOLDER / "dlib")


@pytest.fixture(scope="module")
def photos():
    return {path: open_photo(path) for path in sorted(FOLDER.glob("photos/[!g]*/*.jpg"))}


def test_one_person_is_nearer_than_strangers(analysis, photos):
    """The scale that people are told: one person from 0.95, strangers below 0.90."""
    faces = {
        path: select_face(detect_faces(analysis, photo, any_recogniser=True), photo) for path, photo in photos.items()
    }
    for (path, face), (other, second) in combinations(faces.items(), 2):
        cosine = float(face.id_embedding @ second.id_embedding)
        assert cosine > 0.94 if path.parent == other.parent else cosine < 0.9, f"{path}, {other}: {cosine:.3f}"


def test_score_and_report(analysis, photos):
    *obama, last, biden = (photos[path] for path in sorted(photos, key=lambda path: path.parts[-2] == "biden"))
    likeness = score_pictures(analysis, obama, [biden, last, np.zeros_like(last)])
    assert likeness.ranking == [1, 0, 2] and likeness.scores[2].cosine is None
    assert SCALE in report_likeness(likeness) and likeness.reference.recogniser == RECOGNISER


def test_crowd(analysis):
    photo = open_photo(FOLDER / "photos/groups/solvay.jpg")
    assert 20 <= len(detect_faces(analysis, photo, any_recogniser=True)) <= 29


def test_no_id_embedding(analysis, astronaut):
    with pytest.raises(IncompatibleModelError, match="another space"):
        detect_faces(analysis, astronaut)


@pytest.mark.parametrize("kept", [0, 1000, 1_000_000, -1])
def test_damaged_files(kept, analysis, tmp_path):
    for file in (FOLDER / "dlib").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / RECOGNISER).write_bytes((FOLDER / "dlib" / RECOGNISER).read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=rf"{RECOGNISER} is damaged"):
        load_face_analysis(tmp_path)
