"""Eyes and mouth by landmarks: where they come to lie, and when none are added."""

from types import SimpleNamespace

import numpy as np
import pytest

from consistentid.face.landmark_regions import add_missing
from consistentid.face.parsed_face import parse_regions
from consistentid.face.parsing import LABELS

SQUARE = (100, 50, 356, 306)
LANDMARKS = np.array([[200, 150], [250, 150], [225, 175], [208, 200], [242, 200]], np.float32)
EYES, LIPS = (4, 5), (12, 13)


def draw(side=256, hidden=()):
    """Skin in the middle of a label map; hidden: (label, left, top, right, bottom) in pixels of the photo."""
    labels = np.zeros((side, side), np.uint8)
    scale = side / 256
    for label, *box in ((1, 160, 90, 290, 260), *hidden):
        left, top, right, bottom = ((value - SQUARE[place % 2]) * scale for place, value in enumerate(box))
        labels[round(top) : round(bottom), round(left) : round(right)] = label
    return labels


def measure_box(mask) -> list[float]:
    """left, top, right, bottom in pixels of the photo."""
    rows, columns = np.nonzero(mask)
    scale = 256 / len(mask)
    sides = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return [float(side) * scale + SQUARE[place % 2] for place, side in enumerate(sides)]


@pytest.mark.parametrize("side", [256, 512, 1280])
def test_ellipses_lie_on_the_landmarks(side):
    """Eyes 50 px apart: 21 px long and 10 high; a mouth of 34 px between its corners: 37 long and 22 high."""
    labels = draw(side)
    before = labels.copy()
    filled, words = add_missing(labels, SQUARE, LANDMARKS)
    assert words == ("eyes", "mouth") and np.array_equal(labels, before)
    for label, (x, y) in zip(EYES, LANDMARKS[:2], strict=True):
        np.testing.assert_allclose(measure_box(filled == label), [x - 10.5, y - 5, x + 10.5, y + 5], atol=1)
    np.testing.assert_allclose(measure_box(filled == 12), [206.3, 189, 243.7, 200], atol=1)
    np.testing.assert_allclose(measure_box(filled == 13), [206.3, 200, 243.7, 211], atol=1)
    added = np.isin(filled, (*EYES, *LIPS))
    assert np.array_equal(filled[~added], labels[~added])


def test_a_turned_head_turns_them():
    around = np.array([225, 175])
    turned = (LANDMARKS - around) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + around
    filled, words = add_missing(np.ones((256, 256), np.uint8), SQUARE, turned)
    left, top, right, bottom = measure_box(filled == 4)
    assert words == ("eyes", "mouth") and bottom - top == pytest.approx(21, abs=1) and right - left < 11
    upper, lower = (np.argwhere(filled == label).mean(axis=0)[1] for label in LIPS)
    assert upper > lower, "the chin is on the left"


@pytest.mark.parametrize("label", EYES)
def test_one_eye_of_the_parser_is_enough(label):
    labels = draw(hidden=[(label, 190, 145, 192, 147)])
    filled, words = add_missing(labels, SQUARE, LANDMARKS)
    assert words == ("mouth",) and np.array_equal(filled == label, labels == label)


def test_what_the_parser_found_stays_bit_by_bit():
    labels = draw(hidden=[(5, 240, 145, 258, 154), (13, 210, 203, 240, 208)])
    filled, words = add_missing(labels, SQUARE, LANDMARKS)
    assert words == () and np.array_equal(filled, labels)


def test_an_ellipse_takes_nothing_of_another_region():
    """A turned head: the nose is in the ellipses of one eye and of the mouth, a brow in those of both eyes."""
    nose, brow = LABELS.index("nose"), LABELS.index("l_brow")
    labels = draw(hidden=[(nose, 240, 130, 246, 191), (brow, 185, 140, 265, 146)])
    filled, words = add_missing(labels, SQUARE, LANDMARKS)
    assert words == ("eyes", "mouth") and (filled == 5).any() and (filled == 12).any()
    assert all(np.array_equal(filled == label, labels == label) for label in (nose, brow))


@pytest.mark.parametrize("cover", ["glasses", "hair", "hat", "background", "cloth"])
def test_what_is_covered_is_not_there(cover):
    label = LABELS.index(cover)
    assert add_missing(draw(hidden=[(label, 180, 130, 270, 170)]), SQUARE, LANDMARKS)[1] == ("mouth",)
    assert add_missing(draw(hidden=[(label, 190, 180, 260, 220)]), SQUARE, LANDMARKS)[1] == ("eyes",)
    half = draw(hidden=[(label, 180, 130, 225, 170)])
    filled, words = add_missing(half, SQUARE, LANDMARKS)
    assert words == ("eyes", "mouth") and not (filled == 4).any() and (filled == 5).any()


def test_a_profile_and_a_point_get_none():
    profile = LANDMARKS.copy()
    profile[1] = profile[0] + (20, 0)
    for landmarks in (profile, np.full((5, 2), 200.0)):
        filled, words = add_missing(draw(), SQUARE, landmarks)
        assert words == () and np.array_equal(filled, draw())


@pytest.fixture
def parse():
    """parse_regions of a grey photo in which the parser sees a given label map of SQUARE."""
    photo, box = np.full((400, 500, 3), 90, np.uint8), np.array([164, 114, 292, 242])

    def parse(labels, **options):
        parser = SimpleNamespace(source="parser", parse=lambda *_: labels)
        return parse_regions(parser, photo, 256, box, **options)

    return parse


def test_regions_and_report(parse):
    parsed = parse(draw(), landmarks=LANDMARKS)
    assert parsed.square == SQUARE and list(parsed.regions.masks) == ["Face", "Left_Eye", "Upper_Lip"]
    np.testing.assert_allclose(np.argwhere(parsed.regions.masks["Left_Eye"] > 127).mean(axis=0), [149.5, 199.5], atol=1)
    assert "Eyes and mouth from the landmarks: the parser found none." in parsed.framing
    assert parsed.regions.notes["regions"].endswith("around the face, eyes and mouth from the landmarks")
    only_eyes = parse(draw(hidden=[(12, 210, 195, 240, 200)]), landmarks=LANDMARKS)
    assert " Eyes from the landmarks: the parser found none." in only_eyes.framing


def test_nothing_changes_without_landmarks_or_where_all_was_found(parse):
    assert list(parse(draw()).regions.masks) == ["Face"] and "landmarks" not in parse(draw()).framing
    labels = draw(hidden=[(4, 190, 145, 210, 155), (12, 210, 195, 240, 200)])
    with_points, without = parse(labels, landmarks=LANDMARKS), parse(labels)
    assert with_points.framing == without.framing and with_points.regions.notes == without.regions.notes
    assert all(np.array_equal(mask, without.regions.masks[key]) for key, mask in with_points.regions.masks.items())
    assert with_points.regions.masks.keys() == without.regions.masks.keys()
