"""Whether regions are good enough to describe a face: sentences for people, none when all is well."""

import numpy as np
from PIL import Image

from .region_words import REGION_WORDS
from .regions import CLIP_SIZE_PX, Regions, number_parts

SMALLEST_REGION = 36
"""Pixels of CLIP's 224x224 below which a region says next to nothing: 6x6, a fifth of one of the patches of 14x14 that
CLIP ViT-H looks at. Reasoned; it takes the released adapter to measure it."""

LARGEST_LOSS = 0.1
"""Part of a region outside CLIP's view. Reasoned: what is known is that the ID embedding hardly changes when a tenth of
the face is cut off (LEAST_SEEN)."""

LARGEST_SECOND_PART = 0.25
"""Area of a second blob, in areas of the first, from which it is no speck: half as wide. Reasoned, as the two below:
no parser trained on photos has been at hand."""

SMALLEST_VIEW_PX = CLIP_SIZE_PX // 2
"""What CLIP sees is enlarged more than twice below this."""
_MAY_BE_CUT_OFF = ("hair",)
_IN_ONE_PIECE = ("face", "nose")


def check_regions(regions: Regions, advice: str = "connect a face") -> list[str]:
    """One sentence per fault: a region too small for CLIP, outside its view, cut off by the photo, or in pieces.

    advice: what to do about a region too small or outside where CLIP looks at the whole photo. Where it looks at the
    head, nothing makes a small region larger, such as narrowed eyes.
    """
    if regions.frame is not None:
        advice = "look at its mask"
    faults = [_find_fault(regions, key, advice) for key in regions.masks]
    side = min(regions.view_photo().shape[:2])
    if side < SMALLEST_VIEW_PX:
        what, wish = ("photo", "") if regions.frame is None else ("head", " or closer")
        faults.insert(
            0, f"{what}: the square CLIP sees has only {side} px, so it is blurred; use a larger{wish} photo."
        )
    return [fault for fault in faults if fault]


def _find_fault(regions: Regions, key: str, advice: str) -> str:
    word, mask = REGION_WORDS[key], regions.resize_mask(key)
    view = crop_centre(regions.view(mask))
    total, seen = int(mask.sum(dtype=np.int64)), int(view.sum(dtype=np.int64))
    if word not in _MAY_BE_CUT_OFF and seen < (1 - LARGEST_LOSS) * total:
        return f"{word}: {1 - seen / total:.0%} lies outside the square CLIP sees; {advice}."
    pixels = count_pixels(view)
    if pixels < SMALLEST_REGION:
        what_now = f"; {advice}" if regions.frame is None else ", and no framing is closer"
        return f"{word}: only {pixels:.0f} of CLIP's {CLIP_SIZE_PX}x{CLIP_SIZE_PX} pixels{what_now}."
    if word not in _MAY_BE_CUT_OFF and _reaches_border(mask):
        return f"{word}: reaches the border of the photo, so part of it may be missing."
    if word in _IN_ONE_PIECE and (parts := _count_parts(view)) > 1:
        return (
            f"{word}: in {parts} parts; if they belong to different people, parse around a face while both are found."
        )
    return ""


def crop_centre(mask: np.ndarray) -> np.ndarray:
    """The centre square, which is what CLIP's preprocessing keeps."""
    height, width = mask.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return mask[top : top + side, left : left + side]


def count_pixels(view: np.ndarray) -> float:
    """How many of CLIP's 224x224 pixels a mask uint8 [S, S] takes in the square that CLIP sees."""
    return view.sum(dtype=np.int64) / 255 * (CLIP_SIZE_PX / len(view)) ** 2


def _reaches_border(mask: np.ndarray) -> bool:
    """Whether a mask lies along an edge of the photo for more than a speck: over 2% of the shorter side."""
    side = min(mask.shape)
    band = 1 + side // 100
    edges = (mask[:band], mask[-band:], mask[:, :band].T, mask[:, -band:].T)
    return any(np.count_nonzero((edge > 127).any(axis=0)) > side // 50 for edge in edges)


def _count_parts(view: np.ndarray) -> int:
    """How many parts of a mask are large, compared with the largest one."""
    small = Image.fromarray(view).resize((CLIP_SIZE_PX, CLIP_SIZE_PX), Image.Resampling.BOX)
    labels, count = number_parts(np.asarray(small) > 127)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return int(np.count_nonzero(sizes >= LARGEST_SECOND_PART * sizes.max())) if count else 0
