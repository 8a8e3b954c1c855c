"""Masks, region images and CLIP pixels against files made with the authors' code, and on odd sizes."""

import hashlib

import numpy as np
import pytest
from golden_data import read_arrays, read_json
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.face.region_words import (
    ALL_WORDS,
    EXTRA_LABELS,
    PUBLISHED_REGIONS,
    REGION_LABELS,
    REGION_WORDS,
    order_words,
    read_region_words,
)
from consistentid.face.regions import (
    CLIP_MEAN,
    CLIP_STD,
    Regions,
    fill_region,
    fit_clip,
    isolate_region,
    preprocess_clip,
    select_by_word,
    select_regions,
)

MASKS = read_arrays("masks.npz")
MAPS = read_json("masks.json")["maps"]
PHOTOS = read_json("clip_preprocess.json")["images"]
EXPECTED_CLIP = read_arrays("clip_preprocess_pinned_u8.npz")
STORED = [name.removeprefix("u8.").split(".") for name in EXPECTED_CLIP]


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("name", MAPS)
def test_masks(name):
    labels = MASKS[f"label.{name}"]
    regions = select_regions(labels)
    assert list(regions) == MAPS[name]["key_masks_sd15"] == MAPS[name]["key_masks_sdxl"]
    for key, mask in regions.items():
        expected = np.unpackbits(MASKS[f"mask.{name}.{key}"], axis=1)[:, : labels.shape[1]] * 255
        assert mask.dtype == np.uint8 and np.array_equal(mask, expected), key
        assert sha256(mask) == MAPS[name]["all_sha256"][key]
        added = np.count_nonzero(mask) - np.count_nonzero(labels == REGION_LABELS[key])
        assert added == MAPS[name]["pixels_filled_in"][key]


@pytest.mark.parametrize("name", MAPS)
def test_masks_of_all_labels(name):
    labels, hashes = MASKS[f"label.{name}"], MAPS[name]["all_sha256"]
    for key in REGION_LABELS.keys() & hashes.keys():
        assert sha256(fill_region(labels, REGION_LABELS[key])) == hashes[key], key


def make_labels(*boxes) -> np.ndarray:
    """Label map 32x32 with boxes (label, top, bottom, left, right), later ones on top."""
    labels = np.zeros((32, 32), dtype=np.uint8)
    for label, top, bottom, left, right in boxes:
        labels[top:bottom, left:right] = label
    return labels


@pytest.mark.parametrize(
    ("first", "second"), [("Left_Eye", "Right_Eye"), ("Left_Ear", "Right_Ear"), ("Upper_Lip", "Lower_Lip")]
)
def test_only_the_first_of_a_pair_is_kept(first, second):
    both = make_labels((REGION_LABELS[second], 2, 6, 2, 6), (REGION_LABELS[first], 2, 6, 20, 26))
    assert list(select_regions(both)) == [first]
    assert np.array_equal(select_regions(both)[first], (both == REGION_LABELS[first]) * 255)
    assert list(select_regions(make_labels((REGION_LABELS[second], 2, 6, 2, 6)))) == [second]


def test_at_most_one_region_per_word_in_label_order():
    labels = np.arange(19, dtype=np.uint8).repeat(4).reshape(4, 19)
    regions = list(select_regions(labels))
    assert [REGION_WORDS[key] for key in regions] == ["face", "eyes", "ears", "nose", "mouth"]
    assert sorted(regions, key=REGION_LABELS.get) == regions


def test_nothing_is_found_in_an_empty_map():
    assert select_regions(make_labels()) == {}
    assert select_regions(make_labels((17, 0, 32, 0, 32))) == {}, "hair is no region"


@pytest.mark.parametrize(
    ("first", "second"), [("Left_Eye", "Right_Eye"), ("Left_Ear", "Right_Ear"), ("Upper_Lip", "Lower_Lip")]
)
def test_both_of_a_pair_in_one_region(first, second):
    one, other = REGION_LABELS[first], REGION_LABELS[second]
    labels = make_labels((other, 2, 6, 2, 6), (one, 2, 6, 20, 26), (1, 20, 30, 4, 28))
    regions = select_regions(labels, unite_pairs=True)
    assert set(regions) == {"Face", first}
    assert np.array_equal(regions[first] == 255, (labels == one) | (labels == other))
    assert np.array_equal(regions["Face"], select_regions(labels)["Face"])
    assert list(select_regions(make_labels((other, 2, 6, 2, 6)), unite_pairs=True)) == [second]


def test_an_open_mouth_is_filled_where_lips_are_united():
    labels = make_labels((12, 4, 12, 4, 20), (13, 12, 20, 4, 20), (11, 8, 16, 8, 16))
    assert select_regions(labels, unite_pairs=True)["Upper_Lip"][4:20, 4:20].all()
    assert not select_regions(labels)["Upper_Lip"][9:12, 9:15].any(), "one lip does not enclose it"


def test_extra_regions_follow_the_published_ones():
    labels = np.arange(19, dtype=np.uint8).repeat(4).reshape(4, 19)
    published = select_regions(labels)
    regions = select_regions(labels, extra=("Hair", "Brows"))
    assert list(regions) == [*published, "Brows", "Hair"]
    for key, wanted in EXTRA_LABELS.items():
        assert np.array_equal(regions[key] == 255, np.isin(labels, wanted))
    assert list(select_regions(labels, extra=("Hair",))) == [*published, "Hair"]
    assert select_regions(make_labels((1, 2, 9, 2, 9)), extra=("Hair", "Brows")).keys() == {"Face"}


def test_hair_around_a_face_does_not_contain_it():
    labels = make_labels((17, 2, 30, 2, 30), (1, 8, 24, 8, 24))
    hair = select_regions(labels, extra=("Hair",))["Hair"]
    assert hair[3, 3] == 255 and not hair[8:24, 8:24].any()


def test_what_clip_sees(astronaut):
    mask = np.zeros((64, 64), np.uint8)
    mask[8:24, 20:36] = 255
    whole = Regions(astronaut, {"Face": mask})
    framed = Regions(astronaut, {"Face": mask}, frame=(96, 32, 352, 288))
    resized = whole.resize_mask("Face")
    assert resized.shape == (512, 512) and resized[128, 200] == 255 and resized[128, 120] == 0
    assert np.array_equal(whole.view_photo(), astronaut)
    assert np.array_equal(whole.isolate("Face"), isolate_region(astronaut, mask))
    assert np.array_equal(framed.view_photo(), astronaut[32:288, 96:352])
    assert np.array_equal(framed.isolate("Face"), isolate_region(astronaut, mask)[32:288, 96:352])
    seen = fit_clip(framed.isolate("Face"))
    assert seen.shape == (224, 224, 3) and seen.dtype == np.uint8
    restored = preprocess_clip(framed.isolate("Face")).transpose(1, 2, 0) * np.array(CLIP_STD) + np.array(CLIP_MEAN)
    assert np.abs(restored * 255 - seen).max() < 1e-3


def test_all_blobs_and_no_holes():
    labels = make_labels((1, 1, 9, 1, 9), (10, 4, 6, 4, 6), (1, 12, 30, 12, 30), (0, 20, 22, 20, 22))
    face = select_regions(labels)["Face"]
    assert np.array_equal(face > 0, make_labels((1, 1, 9, 1, 9), (1, 12, 30, 12, 30)) > 0)
    labels[0:10, 4] = 0
    assert not fill_region(labels, 1)[:, 4].any(), "a cut that reaches the outside is no hole"


def test_inputs_are_not_changed():
    labels = make_labels((1, 2, 20, 2, 20), (10, 5, 8, 5, 8))
    photo = np.full((40, 50, 3), 200, dtype=np.uint8)
    labels.flags.writeable = photo.flags.writeable = False
    for mask in select_regions(labels).values():
        assert preprocess_clip(isolate_region(photo, mask)).shape == (3, 224, 224)


# A resize in one call may do rows or columns first, which Pillow 10 and 13 decide differently for this size.
DEPENDS_ON_PILLOW = "astronaut_640x427"


def make_mask(photo_name: str, key: str) -> np.ndarray:
    """The mask of a region; the map "right_only" is not in the file, but its masks are those of other maps."""
    map_name = PHOTOS[photo_name]["label_map"].replace("right_only", "no_ears" if key == "Lower_Lip" else "full")
    return fill_region(MASKS[f"label.{map_name}"], REGION_LABELS[key])


@pytest.mark.parametrize("name", PHOTOS)
def test_region_images(name):
    case, photo = PHOTOS[name], read_arrays("images.npz")[f"image.{name}"]
    assert sha256(photo) == case["image_sha256"]
    for key in case["keys"]:
        image = isolate_region(photo, make_mask(name, key))
        if name != DEPENDS_ON_PILLOW:
            assert sha256(image) == case["composite_sha256"][key], key
            continue
        stretched = Image.fromarray(make_mask(name, key)).resize(photo.shape[1::-1], Image.Resampling.BICUBIC)
        difference = np.abs(image - photo * (np.asarray(stretched)[..., None] / 255))
        assert difference.max() <= 18 and np.count_nonzero(difference > 1) <= 0.005 * difference.size, key


@pytest.mark.parametrize(("name", "key"), STORED, ids=map(".".join, STORED))
def test_clip_pixels(name, key):
    photo = read_arrays("images.npz")[f"image.{name}"]
    if key != "raw":
        photo = isolate_region(photo, make_mask(name, key))
    pixels = preprocess_clip(photo)
    assert pixels.dtype == np.float32 and pixels.shape == (3, 224, 224)
    restored = (pixels.transpose(1, 2, 0) * np.array(CLIP_STD) + np.array(CLIP_MEAN)) * 255
    assert np.abs(restored - EXPECTED_CLIP[f"u8.{name}.{key}"]).max() <= 2.01


def test_black_is_not_zero():
    black = preprocess_clip(np.zeros((300, 300, 3), dtype=np.uint8))
    expected = PHOTOS["astronaut_512x512"]["mask_black_pixel_values"]
    np.testing.assert_allclose(black, np.broadcast_to(np.reshape(expected, (3, 1, 1)), (3, 224, 224)), atol=1e-6)


@pytest.mark.parametrize("size_hw", [(16, 16), (1, 1), (1, 64), (64, 1), (200, 8000), (8000, 200), (225, 224)], ids=str)
def test_extreme_sizes(size_hw):
    photo = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    mask = np.full((512, 512), 255, dtype=np.uint8)
    try:
        image = isolate_region(photo, mask)
        pixels = preprocess_clip(image)
    except ConsistentIDError:
        return
    assert np.array_equal(image, photo)
    assert pixels.shape == (3, 224, 224) and np.isfinite(pixels).all()


def test_the_centre_is_kept():
    photo = np.zeros((100, 300, 3), dtype=np.uint8)
    photo[:, 100:200] = 255
    inner = preprocess_clip(photo)[:, :, 8:-8]
    assert (inner > 1.5).all(), "only the white middle third is left"


def test_words_of_regions():
    assert tuple(dict.fromkeys(REGION_WORDS.values())) == ALL_WORDS
    assert tuple(dict.fromkeys(REGION_WORDS[key] for key in REGION_LABELS)) == PUBLISHED_REGIONS
    assert order_words(["hair", "brows", "ears", "eyebrows", "beard"]) == ("ears", "eyebrows", "hair")
    assert read_region_words("Hair, brows") == ("eyebrows", "hair")


def test_regions_by_word():
    labels = make_labels((1, 4, 30, 4, 28), (2, 6, 8, 6, 12), (4, 10, 14, 6, 12), (17, 0, 4, 0, 32))
    whole = select_regions(labels, extra=EXTRA_LABELS)
    assert list(select_by_word(labels, ALL_WORDS)) == list(whole) == ["Face", "Left_Eye", "Brows", "Hair"]
    few = select_by_word(labels, ["hair", "eyes", "nose"])
    assert list(few) == ["Left_Eye", "Hair"] and np.array_equal(few["Hair"], whole["Hair"])
