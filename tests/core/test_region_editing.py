"""Regions by hand: what a drawn mask does to one region, and that the others stay."""

import numpy as np
import pytest

from consistentid.errors import ConsistentIDError
from consistentid.face.editing import edit_region
from consistentid.face.region_words import REGION_WORDS
from consistentid.face.regions import Regions


def make_mask(top, bottom, left, right, size=(60, 80), value=255) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[top:bottom, left:right] = value
    return mask


@pytest.fixture
def regions():
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    masks = {
        "Face": make_mask(5, 50, 10, 70),
        "Right_Eye": make_mask(15, 20, 45, 60),
        "Nose": make_mask(20, 35, 35, 45),
    }
    return Regions(photo, masks, frame=(10, 0, 70, 60))


def assert_others_are_kept(regions, edited, word):
    assert edited.photo is regions.photo and edited.frame == regions.frame
    kept = {key for key in regions.masks if REGION_WORDS[key] != word}
    assert kept == {key for key in edited.masks if REGION_WORDS[key] != word}
    assert all(edited.masks[key] is regions.masks[key] for key in kept)


def test_replace(regions):
    drawn = make_mask(10, 20, 20, 30)
    before = {key: mask.copy() for key, mask in regions.masks.items()}
    edited = edit_region(regions, "eyes", "replace", drawn)
    assert_others_are_kept(regions, edited, "eyes")
    assert np.array_equal(edited.masks["Right_Eye"], drawn), "the key stays that of the part that was found"
    assert all(np.array_equal(regions.masks[key], before[key]) for key in before)


def test_add(regions):
    drawn = make_mask(15, 20, 20, 35)
    edited = edit_region(regions, "eyes", "add", drawn)
    assert_others_are_kept(regions, edited, "eyes")
    assert np.array_equal(edited.masks["Right_Eye"] > 0, (drawn > 0) | (regions.masks["Right_Eye"] > 0))


@pytest.mark.parametrize("mode", ["replace", "add"])
@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("mouth", ["Face", "Right_Eye", "Nose", "Upper_Lip"]),
        ("ears", ["Face", "Right_Eye", "Left_Ear", "Nose"]),
        ("eyebrows", ["Face", "Right_Eye", "Nose", "Brows"]),
        ("hair", ["Face", "Right_Eye", "Nose", "Hair"]),
    ],
)
def test_new_region_comes_in_order(regions, mode, word, keys):
    edited = edit_region(regions, word, mode, make_mask(40, 45, 30, 50))
    assert list(edited.masks) == keys
    assert_others_are_kept(regions, edited, word)


def test_remove(regions):
    assert list(edit_region(regions, "nose", "remove").masks) == ["Face", "Right_Eye"]
    half = edit_region(regions, "nose", "remove", make_mask(0, 28, 0, 80))
    assert_others_are_kept(regions, half, "nose")
    assert np.array_equal(half.masks["Nose"], make_mask(28, 35, 35, 45))
    assert "Nose" not in edit_region(regions, "nose", "remove", make_mask(0, 60, 0, 80)).masks


def test_both_parts_of_a_pair_become_one(regions):
    both = Regions(regions.photo, {"Left_Eye": make_mask(15, 20, 20, 30), **regions.masks})
    assert list(edit_region(both, "eyes", "replace", make_mask(10, 12, 10, 20)).masks) == ["Face", "Left_Eye", "Nose"]
    united = edit_region(both, "eyes", "add", make_mask(10, 12, 10, 20)).masks["Left_Eye"]
    assert [united[row, column] for row, column in ((17, 25), (17, 50), (11, 15), (17, 35))] == [255, 255, 255, 0]
    assert list(edit_region(both, "eyes", "remove").masks) == ["Face", "Nose"]


def test_the_whole_set_by_hand(regions):
    drawn = Regions(regions.photo, {})
    for word in ("nose", "face", "hair"):
        drawn = edit_region(drawn, word, "add", make_mask(10, 30, 10, 30))
    assert list(drawn.masks) == ["Face", "Nose", "Hair"] and drawn.frame is None


def test_masks_are_stretched_and_keep_soft_edges(regions):
    edited = edit_region(regions, "hair", "replace", make_mask(0, 30, 0, 20, size=(30, 40), value=128))
    hair = edited.masks["Hair"]
    assert hair.shape == (60, 80) and (hair[:, :39] == 128).all() and not hair[:, 41:].any()
    cut = Regions(regions.photo, edited.masks).isolate("Hair")
    assert np.abs(cut[:, :39] - regions.photo[:, :39] * (128 / 255)).max() <= 1


@pytest.mark.parametrize(
    ("word", "mode", "mask", "message"),
    [
        ("nose", "replace", None, "To replace a region a mask is needed"),
        ("nose", "add", np.zeros((64, 64), np.uint8), r"mask \(64x64\) is empty.*mask editor"),
        ("nose", "remove", np.zeros((64, 64), np.uint8), "is empty"),
        ("mouth", "remove", None, "no region 'mouth' to remove from; there are: face, eyes, nose"),
        ("chin", "replace", None, "of 'chin'; choose replace, add, remove, and one of face, eyes, ears"),
        ("nose", "invert", None, "'invert'"),
    ],
)
def test_errors(regions, word, mode, mask, message):
    with pytest.raises(ConsistentIDError, match=message):
        edit_region(regions, word, mode, mask)


def test_the_last_region_stays(regions):
    with pytest.raises(ConsistentIDError, match="Without 'face' no region is left"):
        edit_region(Regions(regions.photo, {"Face": regions.masks["Face"]}), "face", "remove")


def test_what_was_drawn_is_noted(regions):
    drawn = edit_region(regions, "nose", "replace", make_mask(10, 20, 20, 30))
    both = edit_region(drawn, "eyes", "remove")
    assert regions.notes == {} and both.notes == {"drawn by hand": "nose, eyes"}
