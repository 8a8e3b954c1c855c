"""Parsing around the face: what the parser is shown, and where its regions come to lie in the photo."""

import numpy as np
import pytest
from golden_data import make_weights
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from consistentid.errors import ConsistentIDError, FaceNotFoundError
from consistentid.face.framing import choose_frame, crop_square, place_mask, surround_head
from consistentid.face.parsed_face import parse_regions
from consistentid.face.parsing import BiSeNet
from consistentid.face.regions import Regions, select_regions

STEP = 12  # grey levels from one label to the next


def draw_face(size_hw, box) -> np.ndarray:
    """A label map [H, W] with skin, eyes, brows, nose, lips and hair in a face box."""
    labels = np.zeros(size_hw, np.uint8)
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0

    def fill(label, left, top, right, bottom):
        rows = slice(max(0, round(y0 + top * height)), max(0, round(y0 + bottom * height)))
        labels[rows, max(0, round(x0 + left * width)) : max(0, round(x0 + right * width))] = label

    fill(17, -0.1, -0.2, 1.1, 0.5)
    fill(1, 0, 0, 1, 1)
    for label, left, top, right, bottom in (
        (2, 0.15, 0.2, 0.4, 0.25),
        (3, 0.6, 0.2, 0.85, 0.25),
        (4, 0.15, 0.3, 0.4, 0.4),
        (5, 0.6, 0.3, 0.85, 0.4),
        (10, 0.4, 0.4, 0.6, 0.65),
        (12, 0.3, 0.75, 0.7, 0.8),
        (13, 0.3, 0.85, 0.7, 0.9),
    ):
        fill(label, left, top, right, bottom)
    return labels


def paint(labels: np.ndarray) -> np.ndarray:
    """A photo whose grey levels are the labels, for `read_labels` to find."""
    return np.repeat(labels[..., None] * STEP, 3, axis=2)


class GreyLevels:
    """A parser that reads labels off the grey levels, and keeps the photos it was shown."""

    source = ""

    def __init__(self):
        self.photos = []

    def parse(self, photo, side_px):
        self.photos.append(photo)
        square = Image.fromarray(photo).resize((side_px, side_px), Image.Resampling.NEAREST)
        return (np.asarray(square)[..., 0] // STEP).astype(np.uint8)


PARSER = GreyLevels()


@pytest.fixture
def shown():
    """Photos shown to the parser."""
    PARSER.photos.clear()
    return PARSER.photos


def assert_within(pixels: int, mask: np.ndarray, expected: np.ndarray):
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), bool)
    assert not (mask & ~binary_dilation(expected, square)).any()
    assert not (binary_erosion(expected, square) & ~mask).any()


@pytest.mark.parametrize("size_hw", [(700, 1000), (1000, 700), (900, 900)], ids=str)
@pytest.mark.parametrize(
    "box",
    [(300, 200, 380, 300), (131.4, 93.7, 530.2, 610.9), (20, 10, 210, 250), (520, 480, 690, 690)],
    ids=["small", "large", "top left", "bottom right"],
)
def test_regions_lie_where_they_are_in_the_photo(shown, size_hw, box):
    """To one pixel of the photo, or of the label map where that is coarser."""
    labels = draw_face(size_hw, box)
    photo = paint(labels)
    side = round(2 * max(box[2] - box[0], box[3] - box[1]))
    parsed = parse_regions(PARSER, photo, 512, np.array(box), extra=("Brows", "Hair"))
    masks = parsed.regions.masks
    expected = select_regions(labels, extra=("Brows", "Hair"))
    assert list(masks) == list(expected) == ["Face", "Left_Eye", "Nose", "Upper_Lip", "Brows", "Hair"]
    for key, mask in masks.items():
        assert mask.shape == photo.shape[:2] and mask.dtype == np.uint8
        assert_within(-(-side // 512), mask > 127, expected[key] > 0)
    assert shown[0].shape == (side, side, 3)


def test_the_face_fills_half_of_what_the_parser_sees(shown):
    box = np.array([600, 100, 700, 260])
    parse_regions(PARSER, paint(draw_face((500, 800), box)), 512, box)
    rows, columns = np.nonzero(shown[0][..., 0] == STEP)
    assert (rows.min(), rows.max() + 1) == (80, 240), "160 of 320 px, in the middle"
    assert (columns.min(), columns.max() + 1) == (110, 210)


def test_without_a_face_the_whole_photo_is_squashed_as_published(shown):
    labels = draw_face((400, 800), (350, 100, 450, 250))
    parsed = parse_regions(PARSER, paint(labels), 512)
    assert parsed.square is None and parsed.regions.frame is None and shown[0].shape == (400, 800, 3)
    expected = select_regions(parsed.labels)
    assert parsed.labels.shape == (512, 512) and list(parsed.regions.masks) == list(expected)
    assert all(np.array_equal(parsed.regions.masks[key], expected[key]) for key in expected)


def test_holes_are_filled(shown):
    labels = draw_face((600, 600), (200, 200, 400, 440))
    assert (labels[300:320, 290:310] != 1).any(), "the nose is a hole in the skin"
    face = parse_regions(PARSER, paint(labels), 512, np.array([200, 200, 400, 440])).regions.masks["Face"]
    assert (face[210:430, 210:390] == 255).all()


def test_real_network_sees_the_crop(astronaut):
    parser = BiSeNet().eval()
    parser.load_state_dict(make_weights("bisenet"), strict=False)
    box = np.array([170, 60, 280, 190])
    parsed = parse_regions(parser, astronaut, 128, box, extra=("Brows", "Hair"))
    assert parsed.regions.notes["regions"].endswith("128 px, around the face")
    assert parsed.square == surround_head(astronaut, box) == (95, -5, 355, 255)
    crop = np.zeros((260, 260, 3), np.uint8)
    crop[5:] = astronaut[:255, 95:355]
    assert np.array_equal(parsed.labels, parser.parse(crop, 128))
    assert np.array_equal(crop_square(astronaut, parsed.square), crop)


@pytest.mark.parametrize("box", [None, np.array([100, 100, 200, 200])], ids=["whole photo", "face"])
def test_photo_without_a_face(shown, box):
    place = "in the photo" if box is None else r"around the face at \(50, 50, 250, 250\)"
    for labels in (np.zeros((300, 400), np.uint8), np.full((300, 400), 17, np.uint8)):
        with pytest.raises(FaceNotFoundError, match=rf"no face, eyes.* {place} \(400x300\)"):
            parse_regions(PARSER, paint(labels), 64, box, extra=("Hair",))


def test_face_of_another_photo_is_refused(astronaut):
    with pytest.raises(ConsistentIDError, match=r"its middle outside the photo \(512x512\).*seen whole.*detected in"):
        parse_regions(PARSER, astronaut, 512, np.array([900, 100, 1000, 200]))


def test_placing_labels_invents_none():
    labels = np.random.default_rng(0).choice(np.array([0, 5, 17], np.uint8), (64, 64))
    photo = np.zeros((100, 120, 3), np.uint8)
    placed = place_mask(labels, (-20, 30, 80, 130), photo, smooth=False)
    assert placed.shape == (100, 120) and set(np.unique(placed)) == {0, 5, 17}
    assert not placed[:30].any() and not placed[:, 80:].any() and placed[31:, :79].any()


FRAMES = {
    # photo (H, W), face box, chosen framing, frame, part of the reason
    "large and central": ((512, 512), (150, 100, 300, 330), "auto", None, "large and central"),
    "side of a landscape photo": ((400, 1000), (40, 100, 140, 220), "auto", (0, 40, 240, 280), "leaves the centre"),
    "top of a portrait photo": ((1000, 500), (200, 20, 330, 190), "auto", (95, 0, 435, 340), "leaves the centre"),
    "small": ((1000, 1000), (450, 400, 550, 520), "auto", (380, 340, 620, 580), "only 12% of the shorter side"),
    "less than 43%": ((800, 800), (232, 230, 568, 560), "auto", (64, 59, 736, 731), "only 42% of the shorter"),
    "43% is enough": ((800, 800), (228, 230, 572, 560), "auto", None, "large and central"),
    "cut by the border": ((500, 500), (-60, 150, 200, 400), "auto", None, "large and central"),
    "head as chosen": ((512, 512), (150, 100, 300, 300), "head", (25, 0, 425, 400), "as chosen"),
    "close-up as head": ((400, 600), (100, 20, 500, 390), "head", (100, 0, 500, 400), "as chosen"),
    "whole as chosen": ((400, 1000), (40, 100, 140, 220), "whole photo", None, "whole photo"),
    "no face": ((400, 1000), None, "head", None, "no face is connected"),
}


@pytest.mark.parametrize(("size_hw", "box", "framing", "frame", "reason"), FRAMES.values(), ids=FRAMES)
def test_frames(size_hw, box, framing, frame, reason):
    photo = np.zeros((*size_hw, 3), np.uint8)
    chosen, sentence = choose_frame(photo, None if box is None else np.array(box), framing)
    assert chosen == frame and reason in sentence
    if frame:
        assert frame[2] - frame[0] == frame[3] - frame[1], "never distorting"
        assert f"{frame[2] - frame[0]} px at ({frame[0]}, {frame[1]})" in sentence


@pytest.mark.parametrize(
    ("box", "eyes_px", "reason"),
    [
        ((250, 250, 550, 550), (22, 22), "large and central"),  # 38 of CLIP's pixels
        ((250, 250, 550, 550), (21, 21), "eyes have only 35 of CLIP's pixels"),
        ((100, 100, 700, 700), (21, 21), "eyes have only 35 of CLIP's pixels"),
        ((10, 250, 310, 550), (100, 100), "large and central"),
        ((-40, 0, 260, 300), (100, 100), "large and central"),
    ],
)
def test_eyes_that_were_found_decide_what_clip_sees(box, eyes_px, reason):
    photo, eyes = np.zeros((800, 800, 3), np.uint8), np.zeros((800, 800), np.uint8)
    eyes[380 : 380 + eyes_px[0], 380 : 380 + eyes_px[1]] = 255
    frame, sentence = choose_frame(photo, np.array(box), eyes=eyes)
    assert reason in sentence and (frame is None) == (reason == "large and central")
    assert choose_frame(photo, np.array(box), "whole photo", eyes)[0] is None
    assert choose_frame(photo, np.array(box), "head", eyes)[0]


def test_the_eyes_of_the_parser_decide(shown):
    """Drawn faces with large eyes stay in the whole photo at a share of 0.3; real ones, with 1% of the box, do not."""
    box = np.array([140, 140, 260, 260])
    labels = draw_face((400, 400), box)
    assert parse_regions(PARSER, paint(labels), 512, box).regions.frame is None
    labels[np.isin(labels, (4, 5))] = 1
    labels[176:184, 165:177] = 4
    parsed = parse_regions(PARSER, paint(labels), 512, box)
    assert parsed.regions.frame == surround_head(labels, box) and "eyes have only" in parsed.framing


def test_unknown_framing():
    with pytest.raises(ConsistentIDError, match="'face'; choose auto, whole photo, head"):
        choose_frame(np.zeros((64, 64, 3), np.uint8), None, "face")


def test_what_clip_sees_follows_the_frame(shown):
    box = np.array([40, 100, 140, 220])
    photo = paint(draw_face((400, 1000), box))
    regions = parse_regions(PARSER, photo, 512, box).regions
    assert regions.frame == (0, 40, 240, 280)
    assert np.array_equal(regions.view_photo(), photo[40:280, :240])
    whole = Regions(photo, regions.masks)
    for key in regions.masks:
        cut = regions.isolate(key)
        assert cut.any() and np.array_equal(cut, whole.isolate(key)[40:280, :240])
        assert not cut[regions.view(regions.masks[key]) == 0].any()
