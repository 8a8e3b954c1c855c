"""Of heads close together, each face keeps its own regions and none of its neighbour's, wherever a photo is parsed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent))

from photo_set import make_photo

from consistentid.dataset import prepare
from consistentid.face.neighbours import keep_own
from consistentid.face.parsed_face import parse_regions
from consistentid.face.search import detect_faces
from consistentid.identity import encode
from consistentid.likeness import regions as region_likeness
from consistentid.likeness.faces import measure_reference
from zoo.drawn_faces import choose_scene, draw_portrait, sample_person

SKIN, HAIR = 1, 17
FEATURES = (2, 3, 4, 5, 7, 8, 10, 11, 12, 13)


def find_box(labels: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(np.isin(labels, (SKIN, *FEATURES)))
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.fixture(scope="module")
def heads():
    """Label maps of two drawn people: [left alone, right alone], each [256, 300], and their face boxes."""
    maps = []
    for seed, left in ((3, 0), (4, 44 + 90)):
        scene = choose_scene(seed, 1, 0)
        labels = draw_portrait(sample_person(seed), scene, 256).labels[:, 45:211]
        maps.append(np.zeros((256, 300), np.uint8))
        maps[-1][:, left : left + 166] = labels
    return maps, [find_box(one) for one in maps]


class GreyLevels:
    """A parser that reads labels off the grey levels of a photo."""

    source = ""

    def parse(self, photo, side_px):
        square = Image.fromarray(photo).resize((side_px, side_px), Image.Resampling.NEAREST)
        return (np.asarray(square)[..., 0] // 12).astype(np.uint8)


class Skin:
    """A parser that sees nothing else."""

    source = ""

    def parse(self, photo, side_px):
        return np.full((side_px,) * 2, SKIN, np.uint8)


def paint(labels: np.ndarray) -> np.ndarray:
    return np.repeat(labels[..., None] * 12, 3, axis=2)


@pytest.mark.parametrize("chosen", [0, 1])
def test_of_two_heads_each_keeps_its_own(heads, chosen):
    maps, boxes = heads
    both = np.where(maps[0] > 0, maps[0], maps[1])
    photo, box, other = paint(both), boxes[chosen], boxes[1 - chosen]
    options = {"unite_pairs": True, "extra": ("Hair", "Brows"), "box": box}
    together = parse_regions(GreyLevels(), photo, 512, **options).regions.masks
    apart = parse_regions(GreyLevels(), photo, 512, others=[other], **options)
    alone = parse_regions(GreyLevels(), paint(maps[chosen]), 512, **options).regions.masks
    assert "belongs to other faces was left out" in apart.framing
    for key in ("Left_Eye", "Nose", "Upper_Lip", "Brows", "Face", "Hair"):
        before, after, wanted = (masks[key] > 127 for masks in (together, apart.regions.masks, alone))
        assert (before & ~wanted).sum() > 20, f"{key} of the neighbour is in the square"
        least = {"Face": 0.97, "Hair": 0.9}.get(key, 1)  # hair in front of the other's
        assert (after & wanted).sum() / (after | wanted).sum() >= least, key


def make_labels() -> np.ndarray:
    labels = np.zeros((100, 200), np.uint8)
    labels[20:80, 20:180] = SKIN
    labels[30:36, 94:112] = 8
    return labels


BOX, OTHER = np.array([20, 20, 100, 80]), np.array([100, 20, 180, 80])


def test_skin_and_hair_are_cut_and_a_feature_stays_whole():
    labels = make_labels()
    kept = keep_own(labels, (0, 0, 200, 100), BOX, [OTHER])
    assert (kept[20:80, 20:94] == labels[20:80, 20:94]).all() and not kept[:, 112:].any() and not kept[40:, 101:].any()
    assert not (kept == 8).any(), "most of the ear is the other's"
    mirrored = keep_own(labels, (0, 0, 200, 100), OTHER, [BOX])
    assert (mirrored == 8).sum() == (labels == 8).sum()
    assert labels.tobytes() == make_labels().tobytes()


def test_the_square_of_a_label_map_counts_not_its_pixels():
    small = np.asarray(Image.fromarray(make_labels()).resize((100, 50), Image.Resampling.NEAREST))
    square = (1000, 500, 1200, 600)
    offset = np.array([1000, 500, 1000, 500])
    kept = keep_own(small, square, BOX + offset, [OTHER + offset])
    assert kept[25, 48] == SKIN and kept[25, 58] == 0


@pytest.mark.parametrize(
    "others",
    [[], [np.array([2000, 20, 2080, 80])], [BOX + 10], [np.array([40, 30, 90, 75])], [np.array([0, 0, 140, 100])]],
    ids=["nobody", "far away", "shifted", "within", "around"],
)
def test_a_face_alone_keeps_every_bit(others):
    """Boxes over half of its own are the same face, found twice."""
    labels = make_labels()
    assert keep_own(labels, (0, 0, 200, 100), BOX, others) is labels


@pytest.fixture
def couple(analysis):
    """A photo of her twice, 200 px apart, and her faces."""
    photo = make_photo("portrait")[:, 125:325]
    photo = np.hstack([photo, photo])
    faces = detect_faces(analysis, photo)
    assert len(faces) == 2 and [len(face.others) for face in faces] == [1, 1]
    assert faces[0].others[0] is faces[1].box and faces[1].others[0] is faces[0].box
    return photo, faces


def test_a_training_record_is_of_one_person(analysis, couple):
    photo, _ = couple
    models = prepare.FaceModels(analysis, Skin())
    labels = prepare.prepare_photo(photo, models, prepare.Preparation(people=2)).labels
    assert 0.45 < (labels > 0).mean() < 0.55
    single = prepare.prepare_photo(make_photo("portrait"), models, prepare.Preparation()).labels
    assert (single == SKIN).all()


def test_region_likeness_is_that_of_one_person(analysis, couple, monkeypatch):
    photo, _ = couple
    compared = []
    monkeypatch.setattr(region_likeness, "crop_squares", lambda photo, labels: compared.append(labels) or {})
    reference = measure_reference(analysis, [photo])
    for shown in (photo, make_photo("portrait")):
        region_likeness.read_features(
            shown, lambda crop: np.full(crop.shape[:2], SKIN, np.uint8), None, analysis, reference
        )
    beside, alone = compared
    assert alone.all() and 0.7 < (beside > 0).mean() < 1


def test_headless_portraits_hand_others_and_landmarks_on(analysis, couple, monkeypatch):
    photo, faces = couple
    handed = {}

    def stop(*args, **options):
        handed.update(options)
        raise InterruptedError

    monkeypatch.setattr(encode, "parse_regions", stop)
    with pytest.raises(InterruptedError):
        encode.encode_photo(photo, encode.PhotoModels(None, None, analysis), 512)
    assert np.array_equal(handed["others"][0], faces[1].box) or np.array_equal(handed["others"][0], faces[0].box)
    assert any(np.array_equal(handed["landmarks"], face.landmarks) for face in faces)
