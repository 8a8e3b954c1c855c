"""Squares of a photo: the one around a head that is parsed, and the one CLIP looks at.

A box or square is [x0, y0, x1, y1] in pixels of the photo.
"""

import numpy as np
from PIL import Image

from ..choices import FRAMINGS
from ..errors import ConsistentIDError
from .quality import SMALLEST_REGION, count_pixels, crop_centre

HEAD_SCALE = 2.0
"""Side of the square around a head, in longer sides of the face box: hair and ears of 52 in 52 heads are inside, and
features of somebody else in a fifth of heads in groups, which keep_own leaves out (docs/real_photos.md)."""

SMALLEST_FACE = 0.43
"""Longer side of the face box, in shorter sides of the photo, at which one eye of most people has SMALLEST_REGION of
CLIP's pixels; it counts where no eye was found (docs/real_photos.md)."""

LEAST_SEEN = 0.9
"""Part of the face box in the photo below which a face is cut: with a tenth of the face cut off, the ID embedding has a
cosine of 0.96 to that of the whole face, with a fifth 0.90, with half 0.53 (docs/real_photos.md)."""

Square = tuple[int, int, int, int]


def surround_head(photo, box: np.ndarray, scale: float = HEAD_SCALE) -> Square:
    """A square of `scale` longer sides of the face box around its middle; it may leave the photo [H, W, 3].

    ConsistentIDError if the middle of the box lies outside.
    """
    height, width = photo.shape[:2]
    if not holds_middle(photo, box):
        raise ConsistentIDError(
            f"The face lies at {[round(float(value)) for value in box]}, its middle outside the photo "
            f"({width}x{height}). Choose a face that is seen whole, or connect the photo that this one was detected in."
        )
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    side = max(1, round(scale * _measure_box(box)))
    left, top = round(float(x) - side / 2), round(float(y) - side / 2)
    return left, top, left + side, top + side


def holds_middle(photo, box: np.ndarray) -> bool:
    """Whether the middle of a face box is in the photo [H, W, 3]; of others too little is seen to parse."""
    height, width = photo.shape[:2]
    return bool(0 <= box[0] + box[2] <= 2 * width and 0 <= box[1] + box[3] <= 2 * height)


def move_inside(square: Square, photo) -> Square:
    """The square moved into the photo [H, W, 3]; shrunk first if it is larger."""
    height, width = photo.shape[:2]
    side = min(square[2] - square[0], height, width)
    left = round((square[0] + square[2] - side) / 2)
    top = round((square[1] + square[3] - side) / 2)
    left, top = min(max(left, 0), width - side), min(max(top, 0), height - side)
    return left, top, left + side, top + side


def crop_square(photo: np.ndarray, square: Square) -> np.ndarray:
    """The pixels of a square, black where it leaves the photo."""
    return np.asarray(Image.fromarray(photo).crop(square))


def place_mask(mask: np.ndarray, square: Square, photo: np.ndarray, smooth: bool = True) -> np.ndarray:
    """A mask or label map uint8 [h, w] of a square -> one of the whole photo [H, W], 0 outside the square.

    It is resized to the square: bicubic, or to the nearest pixel where `smooth` is False, as labels need.
    """
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    left, top, right, bottom = square
    placed = Image.new("L", (photo.shape[1], photo.shape[0]))
    placed.paste(Image.fromarray(mask).resize((right - left, bottom - top), method), (left, top))
    return np.asarray(placed)


def choose_frame(
    photo: np.ndarray, box: np.ndarray | None, framing: str = "auto", eyes: np.ndarray | None = None
) -> tuple[Square | None, str]:
    """The part of a photo that CLIP should look at, None for the whole, and a sentence that says why.

    CLIP takes the centre square of what it is given, at 224 px. "auto" keeps the whole photo, as published, unless
    the face box leaves that square or the eyes are small in it; "head" is a square around the head, inside the photo.
    eyes: their mask, uint8 [H, W]; where none was found, the size of the face stands for it.
    """
    if framing not in FRAMINGS:
        raise ConsistentIDError(f"Unknown framing '{framing}'; choose {', '.join(FRAMINGS)}.")
    if framing == "whole photo":
        return None, "CLIP sees the whole photo."
    if box is None:
        return None, "CLIP sees the whole photo, since no face is connected."
    reason = "as chosen" if framing == "head" else _find_fault(photo, box, eyes)
    if not reason:
        return None, "CLIP sees the whole photo: the face is large and central enough."
    frame = move_inside(surround_head(photo, box), photo)
    return frame, f"CLIP sees the head, {frame[2] - frame[0]} px at ({frame[0]}, {frame[1]}): {reason}."


def _find_fault(photo: np.ndarray, box: np.ndarray, eyes: np.ndarray | None) -> str:
    """Why the centre square of a photo does not show a face well; empty if it does."""
    height, width = photo.shape[:2]
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height])
    if x0 < left or y0 < top or x1 > left + short or y1 > top + short:
        return "in the whole photo the face leaves the centre square"
    if eyes is not None:
        pixels = count_pixels(crop_centre(eyes))
        return (
            f"in the whole photo the eyes have only {pixels:.0f} of CLIP's pixels" if pixels < SMALLEST_REGION else ""
        )
    share = _measure_box(box) / short
    if share < SMALLEST_FACE:
        return f"in the whole photo the face is only {share:.0%} of the shorter side"
    return ""


def _measure_box(box: np.ndarray) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def measure_seen(photo, box: np.ndarray) -> float:
    """The part of a face box that lies in the photo [H, W, 3], 0..1."""
    height, width = photo.shape[:2]
    box = np.asarray(box, dtype=float)
    x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height])
    return float((x1 - x0) * (y1 - y0) / ((box[2] - box[0]) * (box[3] - box[1])))
