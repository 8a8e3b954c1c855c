"""The identity stage with a real detector (SCRFD) and a real recogniser, on photographs; see fetch.py."""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent))

from fetch import FOLDER, PIECES

from consistentid.face.cascade import load_face_cascade, measure_overlap
from consistentid.face.framing import measure_seen
from consistentid.face.package import load_face_analysis
from consistentid.face.photo import open_photo
from consistentid.face.report import report_faces
from consistentid.face.search import detect_faces
from consistentid.face.selection import select_face
from consistentid.identity.combination import OUTLIER_BELOW

MISSING = [name for name in PIECES if not name.startswith("dlib/") and not (FOLDER / name).is_file()]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason="no real face models: python tests/real/fetch.py"),
]


@pytest.fixture(scope="module")
def analysis():
    return load_face_analysis(FOLDER / "package", "CPU")


@pytest.fixture(scope="module")
def find(analysis):
    return lambda photo, threshold=0.5: detect_faces(analysis, np.ascontiguousarray(photo), threshold, "BGR", True)


@pytest.fixture(scope="module")
def portrait(find, astronaut):
    (face,) = find(astronaut)
    return face


def shrink(photo: np.ndarray, scale: float) -> np.ndarray:
    size = round(photo.shape[1] * scale), round(photo.shape[0] * scale)
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))


def test_one_person_is_nearer_than_strangers(find):
    photos = {path: open_photo(path) for path in sorted(FOLDER.glob("photos/[!g]*/*.jpg"))}
    faces = {path: select_face(find(photo), photo) for path, photo in photos.items()}
    assert len(faces) == 4
    for (path, face), (other, second) in combinations(faces.items(), 2):
        cosine = float(face.id_embedding @ second.id_embedding)
        assert (cosine > OUTLIER_BELOW) == (path.parent == other.parent), f"{path}, {other}: {cosine:.2f}"


def test_group(find):
    from insightface.data import get_image

    photo = get_image("t1")[..., ::-1]
    faces = find(photo)
    assert len(faces) == 6 and all(len(face.others) == 5 for face in faces)
    middles = [face.box[0] + face.box[2] for face in faces]
    assert middles == sorted(middles), "left to right"
    cosines = [first.id_embedding @ second.id_embedding for first, second in combinations(faces, 2)]
    assert max(cosines) < OUTLIER_BELOW, "six people"


def test_crowd(find):
    """29 people, the smallest of whom have 90 px of 3000."""
    photo = open_photo(FOLDER / "photos/groups/solvay.jpg")
    faces = find(photo)
    assert len(faces) == 29 and not any(face.padded for face in faces)


def test_close_up_is_found(find, astronaut, portrait):
    left, top, right, bottom = portrait.box.round().astype(int)
    (face,) = find(astronaut[top:bottom, left:right])
    assert face.padded or face.detector_px < 640
    assert face.id_embedding @ portrait.id_embedding > 0.6


def test_small_face_in_a_large_photo(find, astronaut, portrait):
    """60 px wide in 2000 px."""
    small = shrink(astronaut, 60 / (portrait.box[2] - portrait.box[0]))
    photo = np.full((2000, 2000, 3), 90, dtype=np.uint8)
    photo[900 : 900 + len(small), 600 : 600 + small.shape[1]] = small
    (face,) = find(photo)
    assert abs((face.box[2] - face.box[0]) - 60) < 6
    assert face.id_embedding @ portrait.id_embedding > 0.8
    assert "px wide" not in report_faces(photo, [face], [face], "largest", 0)


def test_tiny_face_is_told_by_its_pixels(find, astronaut, portrait):
    photo = shrink(astronaut, 40 / (portrait.box[2] - portrait.box[0]))
    (face,) = find(photo)
    assert "px wide: a larger or closer photo tells more" in report_faces(photo, [face], [face], "largest", 0)


def test_face_cut_by_the_border(find, astronaut, portrait):
    left, _, right, _ = portrait.box
    photo = astronaut[:, : round(left + 0.65 * (right - left))]
    (face,) = find(photo)
    assert measure_seen(photo, face.box) < 0.9
    assert "border cuts the face" in report_faces(photo, [face], [face], "largest", 0)


def test_whole_face_comes_before_a_cut_one(find, astronaut, portrait):
    """A copy twice as wide, a third of which is outside, beside the portrait itself."""
    large = shrink(astronaut, 1.9)
    left, _, right, _ = portrait.box * 1.9
    photo = np.zeros((len(large), 1200, 3), dtype=np.uint8)
    cut = large[:, round(left + 0.35 * (right - left)) :][:, :600]
    photo[:, : cut.shape[1]] = cut
    photo[200:712, 650:1162] = astronaut
    faces = find(photo)
    assert len(faces) == 2
    assert select_face(faces, photo).box[0] > 650


def test_grey_photo(find, astronaut, portrait):
    (face,) = find(np.repeat(astronaut.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2))
    assert face.id_embedding @ portrait.id_embedding > 0.7


def test_photo_of_8000_px(find, astronaut, portrait):
    (face,) = find(np.asarray(Image.fromarray(astronaut).resize((8000, 8000), Image.Resampling.BICUBIC)))
    assert measure_overlap(tuple(face.box * 512 / 8000), tuple(portrait.box)) > 0.8
    assert face.id_embedding @ portrait.id_embedding > 0.9


def test_turned_photo(find, astronaut, portrait, tmp_path):
    """As a camera held upright writes it: pixels on their side, and EXIF that says so."""
    picture = Image.fromarray(astronaut).transpose(Image.Transpose.ROTATE_90)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "photo.png", exif=exif)
    (face,) = find(open_photo(tmp_path / "photo.png"))
    assert face.id_embedding @ portrait.id_embedding > 0.999


def test_cascade_agrees_on_portraits(find):
    for path in sorted(FOLDER.glob("photos/obama/*.jpg")):
        photo = open_photo(path)
        (face,), (seen,) = find(photo), detect_faces(load_face_cascade(), photo)
        assert measure_overlap(tuple(face.box), tuple(seen.box)) > 0.4, path.name
