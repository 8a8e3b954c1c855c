"""The label map tells the truth: what a parameter changes lies inside the labels it belongs to."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from zoo.drawn_faces import draw_portrait, sample_person, sample_scene
from zoo.drawn_faces.drawing import labels as on
from zoo.drawn_faces.person import BEARDS, MENS_HAIR, WOMENS_HAIR
from zoo.drawn_faces.scene import BACKGROUNDS, CLOTHES, HATS

SIDE = 128
PERSON = replace(
    sample_person(3), kind="woman", hair="short swept", hair_colour="red", eye_colour="green", lips="red", ears="large"
)
SCENE = replace(sample_scene(3), hat="none", clothes="t-shirt", background="beach", expression="smiling")
LIPS = (on.MOUTH, on.UPPER_LIP, on.LOWER_LIP)


def draw(person=PERSON, scene=SCENE):
    return draw_portrait(person, scene, SIDE)


def find_changed(first, second, level: int = 10) -> np.ndarray:
    """Pixels [S, S] that differ by more than `level` of 255."""
    return np.abs(first.image.astype(int) - second.image.astype(int)).max(axis=2) > level


def grow(labels: np.ndarray, wanted) -> np.ndarray:
    """The wanted labels and one pixel around, where edges are mixed."""
    return cv2.dilate(np.isin(labels, wanted).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


COLOURS = {
    "eyes": (dict(eye_colour="amber"), {}, (on.LEFT_EYE, on.RIGHT_EYE), 0.10),
    "lips": (dict(lips="plum"), {}, LIPS, 0.6),
    "hair": (dict(hair_colour="teal"), {}, (on.HAIR, on.LEFT_BROW, on.RIGHT_BROW), 0.9),
    "clothes": ({}, dict(clothes_colour="purple"), (on.CLOTH,), 0.9),
    "background": ({}, dict(background="city at night"), (on.BACKGROUND,), 0.9),
}


@pytest.mark.parametrize("part", COLOURS)
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (24.0, -8.0, 9.0), (-24.0, 8.0, -9.0)])
def test_a_colour_changes_its_own_labels_only(part, pose):
    of_person, of_scene, wanted, least = COLOURS[part]
    scene = replace(SCENE, clothes_colour="orange", yaw=pose[0], pitch=pose[1], roll=pose[2])
    before = draw(PERSON, scene)
    after = draw(replace(PERSON, **of_person), replace(scene, **of_scene))
    changed = find_changed(before, after)
    assert np.array_equal(before.labels, after.labels)
    assert not (changed & ~grow(before.labels, wanted)).any()
    assert changed[np.isin(before.labels, wanted)].mean() > least


def test_another_nose_leaves_the_rest_of_the_picture():
    first, second = (draw(replace(PERSON, nose=nose)) for nose in ("button", "broad"))
    assert (second.labels == on.NOSE).sum() > 1.3 * (first.labels == on.NOSE).sum()
    nose = cv2.dilate(np.isin(second.labels, on.NOSE).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    nose |= cv2.dilate(np.isin(first.labels, on.NOSE).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert find_changed(first, second)[nose].any()
    assert not find_changed(first, second)[~nose].any()


def test_left_labels_are_left_in_the_picture():
    labels = draw().labels
    for left, right in ((on.LEFT_EYE, on.RIGHT_EYE), (on.LEFT_BROW, on.RIGHT_BROW), (on.LEFT_EAR, on.RIGHT_EAR)):
        assert np.nonzero(labels == left)[1].max() < np.nonzero(labels == right)[1].min()


def test_hair_hides_ears():
    for hair, ears in (("long straight", 0), ("fringed bob", 0), ("bob", 1), ("bun", 2), ("buzz-cut", 2)):
        labels = draw(replace(PERSON, hair=hair), replace(SCENE, yaw=0.0)).labels
        assert len(set(np.unique(labels)) & {on.LEFT_EAR, on.RIGHT_EAR}) == ears, hair


@pytest.mark.parametrize("hat", [name for name in HATS if name != "none"])
def test_a_hat_hides_hair(hat):
    afro = replace(PERSON, hair="afro")
    upright = replace(SCENE, yaw=0.0, pitch=0.0, roll=0.0)
    bare, hatted = draw(afro, upright).labels, draw(afro, replace(upright, hat=hat)).labels
    assert (hatted == on.HAT).sum() > 300
    assert (hatted == on.HAIR).sum() < (bare == on.HAIR).sum()
    assert not ((hatted == on.HAIR) & (bare != on.HAIR)).any()
    if hat in ("beanie", "cap", "top hat", "straw hat"):
        assert np.nonzero(hatted == on.HAIR)[0].min() > np.nonzero(hatted == on.HAT)[0].min() + 15


def test_every_style_has_its_labels():
    for kind, styles in (("woman", WOMENS_HAIR), ("man", MENS_HAIR)):
        for hair in styles:
            labels = draw(replace(PERSON, kind=kind, hair=hair)).labels
            assert ((labels == on.HAIR).sum() > 150) == (hair != "bald"), hair
            for part in (on.SKIN, on.NOSE, on.NECK, on.CLOTH, on.LEFT_EYE, on.RIGHT_EYE, on.UPPER_LIP, on.LOWER_LIP):
                assert (labels == part).any(), (hair, part)


def test_every_scene_can_be_drawn():
    pictures = [draw(scene=replace(SCENE, background=name)) for name in BACKGROUNDS]
    pictures += [draw(scene=replace(SCENE, clothes=name)) for name in CLOTHES]
    pictures += [draw(replace(PERSON, kind="man", beard=name)) for name in BEARDS]
    images = {picture.image.tobytes() for picture in pictures}
    # The scene's own clothes and background are drawn twice.
    assert len(images) == len(pictures) - 1


def test_an_open_mouth_has_an_inside():
    shut, opened = (draw(scene=replace(SCENE, expression=name)).labels for name in ("smiling", "laughing"))
    assert not (shut == on.MOUTH).any()
    assert (opened == on.MOUTH).sum() > 30


def test_masks_agree_between_sizes():
    small, large = (draw_portrait(PERSON, SCENE, side).labels for side in (128, 256))
    assert (np.kron(small, np.ones((2, 2), np.uint8)) == large).mean() > 0.98
