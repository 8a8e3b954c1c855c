"""The photos users bring, from detection over framing to the faults of their regions: what each stage says of them."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

sys.path.append(str(Path(__file__).parent))

from analysis_variants import make_near_sighted
from photo_set import SEEN, make_photo

from consistentid.face.framing import choose_frame, place_mask
from consistentid.face.package import load_face_analysis
from consistentid.face.quality import check_regions
from consistentid.face.regions import Regions
from consistentid.face.search import detect_faces


def blur_photo(name: str, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(make_photo(name)).filter(ImageFilter.GaussianBlur(radius)))


@pytest.fixture(scope="module")
def found(analysis):
    """The faces of each photo, found once: {name: (photo, faces)}."""
    photos = {name: make_photo(name) for name in SEEN} | {"blurred": blur_photo("portrait", 3)}
    return {name: (photo, detect_faces(analysis, photo)) for name, photo in photos.items()}


def draw_eyes(photo, box, frame=None) -> Regions:
    """Eyes as a band of the face box, half as wide and a tenth as high."""
    left, top, width, height = box[0], box[1], box[2] - box[0], box[3] - box[1]
    corners = left + width / 4, top + 0.35 * height, left + 0.75 * width, top + 0.45 * height
    square = tuple(round(float(value)) for value in corners)
    mask = np.full((square[3] - square[1], square[2] - square[0]), 255, np.uint8)
    return Regions(photo, {"Left_Eye": place_mask(mask, square, photo, smooth=False)}, frame)


# What framing says of the first face, and what the whole photo would have done to its eyes.
STAGES = {
    "portrait": ("only 23% of the shorter side", None),
    "tilted": ("only 23% of the shorter side", None),
    "close up": ("large and central enough", None),
    "far away": ("only 12% of the shorter side", "eyes: only 27 of CLIP's"),
    "dark": ("only 23% of the shorter side", None),
    "blurred": ("only 23% of the shorter side", None),
    "grey": ("only 23% of the shorter side", None),
    "twice": ("the face leaves the centre square", "eyes: 100% lies outside the square CLIP sees"),
}


@pytest.mark.parametrize(("name", "reason", "fault"), [(name, *said) for name, said in STAGES.items()], ids=STAGES)
def test_framing_mends_what_the_whole_photo_would_spoil(found, name, reason, fault):
    photo, faces = found[name]
    for face in faces:
        frame, sentence = choose_frame(photo, face.box)
        assert reason in sentence and (frame is None) == (name == "close up")
        if frame:
            x0, y0, x1, y1 = face.box
            assert frame[0] < x0 and frame[1] < y0 and x1 < frame[2] and y1 < frame[3]
            assert frame[2] - frame[0] == pytest.approx(2 * max(x1 - x0, y1 - y0), abs=1)
        assert check_regions(draw_eyes(photo, face.box, frame)) == []
    faults = check_regions(draw_eyes(photo, faces[0].box))
    assert len(faults) == (fault is not None) and all(one.startswith(fault) for one in faults)


def test_every_photo_with_somebody_is_judged(found):
    assert {name for name, (_, faces) in found.items() if faces} == STAGES.keys()
    assert [len(faces) for _, faces in (found["twice"], found["nobody"])] == [2, 0]


def test_quality_tells_spoiled_photos_from_good_ones(found):
    quality = {name: faces[0].quality for name, (_, faces) in found.items() if faces}
    sharpness = {name: faces[0].sharpness for name, (_, faces) in found.items() if faces}
    for name in ("dark", "blurred"):
        assert quality[name] < quality["portrait"] / 3 and sharpness[name] < sharpness["portrait"] / 10
    assert quality["blurred"] < quality["dark"]
    for name in ("tilted", "far away", "grey", "close up"):
        assert quality[name] == pytest.approx(quality["portrait"], rel=0.12), name
    assert quality["twice"] == pytest.approx(quality["portrait"], rel=1e-3)


def test_a_face_that_needs_a_margin_is_framed_like_any_other(analysis, face_package, tmp_path):
    folder = shutil.copytree(face_package, tmp_path / "buffalo_l")
    make_near_sighted(folder / "det_10g.onnx", None)
    photo = make_photo("portrait")[:400, 25:425]
    (near,), (direct,) = (detect_faces(one, photo) for one in (load_face_analysis(folder, "CPU"), analysis))
    assert near.padded and not direct.padded
    assert np.abs(near.box - direct.box).max() < 10, "one anchor of the near-sighted detector"
    (frame, sentence), (expected, _) = (choose_frame(photo, face.box) for face in (near, direct))
    assert np.abs(np.subtract(frame, expected)).max() < 20 and "only 29% of the shorter side" in sentence
    assert near.sharpness == pytest.approx(direct.sharpness, rel=0.3)
