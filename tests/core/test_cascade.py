"""Faces without InsightFace: scikit-image's cascade on the photo set, and on pictures without a face."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))

from photo_set import FACE_BOX, SEEN, make_photo

from consistentid.errors import FaceNotFoundError, MissingPackageError
from consistentid.face.cascade import _keep_apart, load_face_cascade
from consistentid.face.face import align_face
from consistentid.face.search import detect_faces
from consistentid.face.selection import select_face


@pytest.fixture(scope="module")
def cascade():
    return load_face_cascade()


def overlap(box, other) -> float:
    """Intersection over union."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    common = np.prod(np.clip(high - low, 0, None))
    return float(common / (np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - common))


def test_portrait(cascade, astronaut):
    before = astronaut.copy()
    (face,) = detect_faces(cascade, astronaut)
    assert overlap(face.box, np.array(FACE_BOX)) > 0.7
    assert face.landmarks is None and face.id_embedding is None and face.recogniser == ""
    assert 0 < face.quality < 1 and np.array_equal(astronaut, before)
    (again,) = detect_faces(cascade, astronaut)
    assert np.array_equal(face.box, again.box)


@pytest.mark.parametrize("name", SEEN)
def test_photo_set(cascade, name):
    photo = make_photo(name)
    faces = detect_faces(cascade, photo)
    assert len(faces) == SEEN[name][1]
    if name in ("dark", "grey"):
        assert overlap(faces[0].box, np.array(FACE_BOX)) > 0.7
    if name == "twice":
        assert faces[0].box[2] < 512 < faces[1].box[0], "left to right"


def test_large_photo_is_searched_small_and_answered_large(cascade, astronaut):
    large = astronaut.repeat(4, axis=0).repeat(4, axis=1)
    (face,) = detect_faces(cascade, large)
    assert overlap(face.box / 4, np.array(FACE_BOX)) > 0.7 and face.detector_px == 512


def test_close_up_is_found_with_a_margin(cascade, astronaut):
    left, top, right, bottom = (round(edge) + inset for edge, inset in zip(FACE_BOX, (5, 5, -5, -5), strict=True))
    (face,) = detect_faces(cascade, np.ascontiguousarray(astronaut[top:bottom, left:right]))
    assert face.padded and overlap(face.box, np.array([0, 0, right - left, bottom - top])) > 0.5


def test_group_photo(cascade):
    """InsightFace's own: three of its faces are seen, and a lamp that is larger but no surer."""
    from insightface.data import get_image

    photo = np.ascontiguousarray(get_image("t1")[..., ::-1])
    faces = detect_faces(cascade, photo)
    largest = select_face(faces, photo)
    lamp = max(faces, key=lambda face: face.area)
    assert len(faces) == 4 and overlap(lamp.box, np.array([635, 110, 907, 382])) > 0.9
    assert (
        lamp.score == min(face.score for face in faces) and overlap(largest.box, np.array([445, 257, 612, 425])) > 0.9
    )


def test_one_face_is_one_box():
    """A larger box around a face, one beside it that overlaps by a third, and another face."""
    votes = {(0, 0, 100, 100): 20, (-40, -40, 140, 140): 12, (40, 0, 140, 100): 9, (300, 0, 400, 100): 8}
    assert _keep_apart(votes) == {(0, 0, 100, 100): 20, (300, 0, 400, 100): 8}


@pytest.mark.parametrize(
    "name", ["chelsea", "rocket", "gravel", "grass", "brick", "coins", "page", "immunohistochemistry"]
)
def test_pictures_without_a_face(cascade, name):
    from skimage import data

    picture = np.asarray(getattr(data, name)())
    if picture.ndim == 2:
        picture = picture[..., None].repeat(3, axis=2)
    assert detect_faces(cascade, np.ascontiguousarray(picture[..., :3])) == []


def test_small_and_narrow_photos(cascade):
    with pytest.raises(FaceNotFoundError, match="only 15x100"):
        detect_faces(cascade, np.zeros((100, 15, 3), dtype=np.uint8))
    assert detect_faces(cascade, np.zeros((16, 16, 3), dtype=np.uint8)) == []
    assert detect_faces(cascade, np.zeros((40, 600, 3), dtype=np.uint8)) == []


def test_crop_is_the_box(cascade, astronaut):
    (face,) = detect_faces(cascade, astronaut)
    left, top, right, bottom = face.box.round().astype(int)
    crop = align_face(astronaut, face)
    assert crop.shape == (112, 112, 3) and crop.dtype == np.uint8
    corner = astronaut[top : top + 8, left : left + 8].mean(axis=(0, 1))
    np.testing.assert_allclose(crop[:9, :9].mean(axis=(0, 1)), corner, atol=6)
    np.testing.assert_allclose(crop.mean(axis=(0, 1)), astronaut[top:bottom, left:right].mean(axis=(0, 1)), atol=2)


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(MissingPackageError, match=r"without InsightFace needs.*pip install scikit-image"):
        load_face_cascade()


def test_insightface_is_not_needed(monkeypatch, astronaut):
    for name in [name for name in sys.modules if name.split(".")[0] in ("insightface", "onnxruntime")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("insightface", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    (face,) = detect_faces(load_face_cascade(), astronaut)
    assert align_face(astronaut, face).any()
