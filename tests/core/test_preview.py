"""Preview drawings change the pixels they mean to change, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from consistentid.face.face import Face
from consistentid.face.landmarks import draw_landmarks
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


def test_face_without_landmarks_is_a_plain_box(photo):
    known = make_face(40, 50, 100, 120)
    picture = draw_faces(photo, [replace(known, landmarks=None)], None)
    outline = np.zeros(photo.shape[:2], dtype=bool)
    outline[48:123, 38:103], outline[53:118, 43:98] = True, False
    assert has_colour(picture, ORANGE)[50, 40:101].all() and not (changed_pixels(photo, picture) & ~outline).any()


DOTS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))
POINTS = np.array([[400, 300], [600, 310], [500, 420], [420, 520], [590, 525]], dtype=np.float32)


def face_at(points) -> Face:
    return Face(np.zeros(4, dtype=np.float32), points, 0.9, None)


def test_landmarks_picture():
    """As InstantID's ControlNet knows it: dots of 10 px in five colours, each joined to the nose at 60 % brightness."""
    picture = draw_landmarks(1024, 1024, [face_at(POINTS)])
    assert picture.shape == (1024, 1024, 3) and picture.dtype == np.uint8
    for (x, y), colour in zip(POINTS.astype(int), DOTS, strict=True):
        dot = has_colour(picture, colour)
        assert dot[y, x - 10] and dot[y, x + 10] and dot[y - 10, x] and dot[y + 10, x]
        assert dot.sum() == pytest.approx(np.pi * 10**2, rel=0.1)
    for (x, y), colour in zip(POINTS, DOTS, strict=True):
        if colour != (0, 0, 255):
            x, y = (np.array([x, y]) + POINTS[2]) / 2
            assert picture[int(y), int(x)].tolist() == [int(value * 0.6) for value in colour]
    assert (picture.reshape(-1, 3).any(axis=1)).mean() < 0.01


def test_landmarks_picture_grows_with_the_photo():
    large = draw_landmarks(2048, 2048, [face_at(POINTS * 2)])
    small = draw_landmarks(512, 768, [face_at(POINTS / 2)])
    lit = [picture.any(axis=2).sum() for picture in (large, draw_landmarks(1024, 1024, [face_at(POINTS)]), small)]
    assert lit[0] == pytest.approx(4 * lit[1], rel=0.1) and lit[2] == pytest.approx(lit[1] / 4, rel=0.15)


def test_landmarks_of_several_faces_and_of_none():
    faces = [face_at(POINTS), face_at(None), face_at(POINTS + np.array([400, 100]))]
    both = draw_landmarks(1024, 1024, faces)
    singles = [draw_landmarks(1024, 1024, [face]) for face in faces]
    assert not singles[1].any() and not draw_landmarks(20, 30, []).any()
    assert np.array_equal(both, np.maximum(singles[0], singles[2]))


def test_landmarks_beyond_the_photo_or_in_one_point():
    assert draw_landmarks(100, 100, [face_at(np.full((5, 2), 50.0))]).any()
    assert not draw_landmarks(100, 100, [face_at(np.full((5, 2), -500.0))]).any()
