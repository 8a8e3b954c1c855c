"""Copy-paste: what is nearer to the photo drawn from than to other photos of the person."""

import numpy as np
import pytest

from consistentid.face.face import ARCFACE_PLACES, Face
from consistentid.likeness.copying import Look, measure_copying, read_look


def turn(degrees: float) -> np.ndarray:
    """An ID embedding at an angle."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def look(degrees: float) -> Look:
    return Look(turn(degrees), None, None)


@pytest.mark.parametrize(("picture", "score"), [(0, 1), (30, 0), (60, -1), (15, 0.5), (90, -1), (-40, 1)])
def test_identity_by_hand(picture, score):
    """The photo at 0 degrees, another at 60: halfway is neither; beyond either is as near as it gets."""
    assert measure_copying(look(picture), look(0), [look(60)]) == {"identity": pytest.approx(score)}


def test_the_mean_over_the_other_photos_of_which_a_twin_of_the_photo_tells_nothing():
    assert measure_copying(look(0), look(0), [look(60), look(0)]) == {"identity": pytest.approx(1)}
    found = measure_copying(look(30), look(0), [look(60), look(-30)])
    assert found["identity"] == pytest.approx(((30 - 30) / 60 + 1) / 2)
    assert measure_copying(look(30), look(0), [look(0)]) == {}


def place(points: np.ndarray, size: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points * size @ rotation.T + shift


def draw(points: np.ndarray, lit_from_left: bool, side: int = 400) -> tuple[np.ndarray, Face]:
    """A photo with light from one side, and its face."""
    ramp = np.linspace(200, 40, side) if lit_from_left else np.linspace(40, 200, side)
    photo = np.repeat(np.tile(ramp, (side, 1))[:, :, None], 3, axis=2).astype(np.uint8)
    return photo, Face(np.array([100, 100, 250, 260]), points, 1.0, turn(0))


def test_pose_and_light_whatever_place_size_and_turn_the_face_has():
    """Looking aside moves the nose between the eyes; place, size and tilt of the head move everything."""
    ahead, aside = ARCFACE_PLACES.copy(), ARCFACE_PLACES.copy()
    aside[2, 0] += 12
    photo = read_look(*draw(place(ahead, 1.5, 0, (90, 90)), True))
    other = read_look(*draw(place(aside, 1.5, 0, (90, 90)), False))
    same_pose = read_look(*draw(place(ahead, 1.1, 15, (140, 60)), False))
    same_light = read_look(*draw(place(aside, 1.7, -10, (60, 120)), True))
    assert measure_copying(same_pose, photo, [other])["pose"] == pytest.approx(1, abs=1e-6)
    assert measure_copying(same_light, photo, [other])["pose"] == pytest.approx(-1, abs=1e-6)
    assert measure_copying(same_pose, photo, [other])["light"] < -0.7
    assert measure_copying(same_light, photo, [other])["light"] > 0.7


def test_a_face_without_landmarks_has_neither_pose_nor_light():
    face = Face(np.array([0, 0, 50, 50]), None, 1.0, turn(20))
    bare = read_look(np.zeros((64, 64, 3), np.uint8), face)
    assert bare.pose is None and bare.light is None
    photo = read_look(*draw(place(ARCFACE_PLACES, 1.5, 0, (90, 90)), True))
    assert set(measure_copying(bare, photo, [look(60)])) == {"identity"}
