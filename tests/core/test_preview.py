"""Preview drawings change the pixels they mean to change, and no others."""

import numpy as np
import pytest

from consistentid.face.analysis import Face
from consistentid.face.parsing import LABELS
from consistentid.face.preview import draw_faces, draw_labels

GREEN, ORANGE = (64, 220, 90), (240, 160, 40)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 60, (200, 300, 3), dtype=np.uint8)


def make_face(left, top, right, bottom) -> Face:
    landmarks = np.array([[left + 10 + 5 * i, (top + bottom) / 2] for i in range(5)])
    return Face(np.array([left, top, right, bottom], dtype=np.float32), landmarks, 0.87, None)


def changed_pixels(before, after) -> np.ndarray:
    assert after.shape == before.shape and after.dtype == np.uint8
    return (before != after).any(axis=2)


def has_colour(picture, colour) -> np.ndarray:
    return (picture == np.array(colour, dtype=np.uint8)).all(axis=2)


def test_boxes_and_landmarks(photo):
    chosen, other = make_face(40, 50, 100, 120), make_face(180, 60, 260, 150)
    before = photo.copy()
    picture = draw_faces(photo, [other, chosen], chosen)
    assert np.array_equal(photo, before)
    allowed = np.zeros(photo.shape[:2], dtype=bool)
    for face in (chosen, other):
        left, top, right, bottom = face.box.astype(int)
        allowed[top - 14 : bottom + 3, left - 2 : right + 3] = True  # the score stands above the box
    assert not (changed_pixels(photo, picture) & ~allowed).any()
    for face, colour in ((chosen, GREEN), (other, ORANGE)):
        left, top, right, bottom = face.box.astype(int)
        drawn = has_colour(picture, colour)
        assert drawn[top, left : right + 1].all() and drawn[bottom, left : right + 1].all()
        assert drawn[top : bottom + 1, left].all() and drawn[top : bottom + 1, right].all()
        assert all(drawn[int(y), int(x)] for x, y in face.landmarks)
        assert not drawn[top + 5, left + 5], "the box is not filled"
        assert changed_pixels(photo, picture)[top - 14 : top - 1, left : left + 30].any(), "the score"


def test_no_face_changes_nothing(photo):
    assert np.array_equal(draw_faces(photo, [], None), photo)


def test_without_a_chosen_face_none_is_green(photo):
    assert not has_colour(draw_faces(photo, [make_face(40, 50, 100, 120)], None), GREEN).any()


@pytest.mark.parametrize("box", [(-30, -20, 40, 40), (250, 150, 400, 300)], ids=["top left", "bottom right"])
def test_face_over_the_edge(photo, box):
    assert changed_pixels(photo, draw_faces(photo, [make_face(*box)], None)).any()


def test_label_colours(photo):
    labels = np.zeros((20, 30), dtype=np.uint8)
    for label in range(1, len(LABELS)):
        labels[label, 3:27] = label
    before = (photo.copy(), labels.copy())
    picture = draw_labels(photo, labels, opacity=1)
    assert np.array_equal(photo, before[0]) and np.array_equal(labels, before[1])
    stretched = labels.repeat(10, axis=0).repeat(10, axis=1)
    assert np.array_equal(picture[stretched == 0], photo[stretched == 0])
    colours = {
        tuple(np.unique(picture[stretched == label], axis=0).ravel().tolist()) for label in range(1, len(LABELS))
    }
    assert len(colours) == len(LABELS) - 1, "one colour per label"
    assert all(len(colour) == 3 and colour != (0, 0, 0) for colour in colours)


def test_label_opacity(photo):
    labels = np.full((512, 512), LABELS.index("hair"), dtype=np.uint8)
    pure, half, none = (draw_labels(photo, labels, opacity).astype(int) for opacity in (1, 0.5, 0))
    assert np.array_equal(none, photo)
    assert np.abs(half - (photo + pure) / 2).max() <= 1
