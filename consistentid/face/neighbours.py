"""Whose is what in a label map that shows several heads."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .framing import Square
from .parsing import LABELS
from .regions import number_parts

_FEATURES = tuple(map(LABELS.index, (
    "l_brow", "r_brow", "l_eye", "r_eye", "glasses", "l_ear", "r_ear", "earring", "nose", "mouth", "u_lip", "l_lip",
)))  # fmt: skip


def keep_own(labels: np.ndarray, square: Square, box: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """The label map uint8 [h, w] of a square of a photo, with what belongs to other faces made background.

    box, others: [x0, y0, x1, y1] in pixels of the photo, of the face that is kept and of the others in it. A pixel is
    that of the face it is nearest to, in half sides of its box; a feature goes as a whole with most of its pixels, but
    skin, hair and clothes of two people may be one piece, and are cut. A box over half of this one is the same face.
    """
    rivals = [other for other in others if not _is_same_face(box, other)]
    if not rivals:
        return labels
    own = _measure_distance(labels, square, box) <= np.minimum.reduce(
        [_measure_distance(labels, square, rival) for rival in rivals]
    )
    if own.all():
        return labels
    is_feature = np.isin(labels, _FEATURES)
    kept = np.where(own | is_feature, labels, 0).astype(labels.dtype)
    for label in np.unique(labels[is_feature]):
        parts, count = number_parts(labels == label)
        shares = np.asarray(ndimage.mean(own, parts, np.arange(count + 1)))
        kept[(parts > 0) & (shares < 0.5)[parts]] = 0
    return kept


def _measure_distance(labels: np.ndarray, square: Square, box: np.ndarray) -> np.ndarray:
    """From each pixel to the middle of a box, squared, in half sides of the box: float32 [h, w]."""
    offsets = []
    for pixels, axis in ((labels.shape[1], 0), (labels.shape[0], 1)):
        start, end = square[axis], square[axis + 2]
        places = start + (np.arange(pixels, dtype=np.float32) + 0.5) * ((end - start) / pixels)
        offsets.append((2 * places - box[axis] - box[axis + 2]) / (box[axis + 2] - box[axis]))
    across, down = offsets
    return across[None].astype(np.float32) ** 2 + down[:, None].astype(np.float32) ** 2


def _is_same_face(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes lie over each other by half, across and down."""
    apart = np.abs(np.add(box[:2], box[2:]) - np.add(other[:2], other[2:])) / 2
    sides = (np.subtract(box[2:], box[:2]) + np.subtract(other[2:], other[:2])) / 2
    return bool((apart < sides / 2).all())
