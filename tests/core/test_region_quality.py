"""Every fault a region can have is named, and a good region has none."""

import numpy as np
import pytest

from consistentid.face.quality import check_regions
from consistentid.face.regions import Regions


def make_regions(size_hw=(800, 800), frame=None, **boxes) -> Regions:
    """Regions whose masks are boxes (top, bottom, left, right), one or several."""
    masks = {}
    for key, areas in boxes.items():
        masks[key] = np.zeros(size_hw, np.uint8)
        for top, bottom, left, right in areas if isinstance(areas, list) else [areas]:
            masks[key][top:bottom, left:right] = 255
    return Regions(np.full((*size_hw, 3), 90, np.uint8), masks, frame)


FACE, NOSE = (200, 500, 250, 480), (300, 380, 340, 400)
GOOD = {
    "large regions": make_regions(Face=FACE, Nose=NOSE, Left_Eye=(280, 300, 280, 340)),
    "hair over the border": make_regions(Face=FACE, Hair=(0, 800, 0, 800)),
    "two eyes in one region": make_regions(Left_Eye=[(280, 310, 270, 340), (280, 310, 390, 460)]),
    "a speck beside the face": make_regions(Face=[FACE, (600, 620, 600, 620)]),
    "a speck at the border": make_regions(Face=[FACE, (0, 6, 100, 110)]),
    "landscape, in the middle": make_regions((400, 1000), Face=(100, 300, 400, 600)),
    "9% outside": make_regions((400, 1000), Face=(100, 300, 282, 482)),
    "landscape, framed": make_regions((400, 1000), frame=(20, 100, 320, 400), Face=(150, 350, 60, 260)),
    "a small mask of the whole photo": Regions(
        np.zeros((800, 900, 3), np.uint8), {"Face": np.pad(np.full((20, 20), 255, np.uint8), 30)}
    ),
}


@pytest.mark.parametrize("regions", GOOD.values(), ids=GOOD)
def test_good_regions(regions):
    assert check_regions(regions) == []


FAULTS = {
    # 20x12 px of 800 are 5.6x3.4 of 224
    "small": (make_regions(Face=FACE, Left_Eye=(280, 292, 280, 300)), ["eyes: only 19 of CLIP's 224x224 pixels; conn"]),
    "small, framed": (
        make_regions(frame=(200, 100, 640, 540), Nose=(300, 308, 300, 310)),
        ["nose: only 21 of CLIP's 224x224 pixels, and no framing is closer"],
    ),
    "outside": (make_regions((400, 1000), Face=(100, 300, 200, 400)), ["face: 50% lies outside the square CLIP sees"]),
    "15% outside": (make_regions((400, 1000), Face=(100, 300, 270, 470)), ["face: 15% lies outside the square CLIP"]),
    "all outside": (make_regions((1000, 400), Left_Ear=(20, 90, 100, 130)), ["ears: 100% lies outside"]),
    "cut off left": (make_regions(Face=(200, 500, 0, 300)), ["face: reaches the border of the photo"]),
    "cut off below": (make_regions(Face=FACE, Upper_Lip=(760, 798, 300, 400)), ["mouth: reaches the border"]),
    "two faces": (make_regions(Face=[FACE, (250, 450, 550, 700)]), ["face: in 2 parts"]),
    "blurred": (make_regions((100, 120), Face=(20, 80, 30, 80)), ["photo: the square CLIP sees has only 100 px"]),
    "blurred head of a large photo": (
        make_regions((800, 800), frame=(300, 300, 400, 400), Face=(320, 380, 330, 380)),
        ["head: the square CLIP sees has only 100 px, so it is blurred; use a larger or closer photo."],
    ),
    "several": (
        make_regions(Face=(200, 500, 0, 300), Nose=(300, 308, 300, 310)),
        ["face: reaches the border", "nose: only 6 of CLIP's"],
    ),
}


@pytest.mark.parametrize(("regions", "faults"), FAULTS.values(), ids=FAULTS)
def test_faults(regions, faults):
    found = check_regions(regions)
    assert len(found) == len(faults)
    for sentence, start in zip(found, faults, strict=True):
        assert sentence.startswith(start) and sentence.endswith(".")


def test_advice_is_that_of_the_caller_unless_the_head_is_framed():
    regions = FAULTS["small"][0]
    assert check_regions(regions)[0].endswith("; connect a face.")
    assert check_regions(regions, "use framing 'head'")[0].endswith("pixels; use framing 'head'.")
    assert check_regions(FAULTS["small, framed"][0], "use framing 'head'")[0].endswith(
        "pixels, and no framing is closer."
    )
    outside = make_regions((400, 1000), frame=(0, 0, 400, 400), Face=(100, 300, 300, 500))
    assert check_regions(outside, "use framing 'head'") == [
        "face: 50% lies outside the square CLIP sees; look at its mask."
    ]
