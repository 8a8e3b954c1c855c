"""Eyes and mouth by the detector's landmarks, where the face parser found none: closed eyes, a thin mouth."""

import numpy as np

from .framing import Square
from .parsing import LABELS

EYE_LENGTH, EYE_HEIGHT = 0.42, 0.20  # in distances between the eyes
MOUTH_LENGTH = 1.1  # in distances between the corners of the mouth
MOUTH_HEIGHT = 0.44  # in distances between the eyes, teeth included
LEAST_SHOWN = 0.8
"""Part of the ellipse that must be skin to the parser; less is behind hair or glasses, or beside a face."""
LEAST_FRONTAL = 0.5
"""Distance between the eyes, in distances from eyes to mouth, below which a face is a profile: nothing is added."""

_EYES = tuple(map(LABELS.index, ("l_eye", "r_eye")))
_LIPS = LABELS.index("u_lip"), LABELS.index("l_lip")
_OPEN = tuple(map(LABELS.index, ("skin", "l_brow", "r_brow", "l_eye", "r_eye", "nose", "mouth", "u_lip", "l_lip")))
_FREE = tuple(map(LABELS.index, ("skin", "mouth")))  # what no region, or Face alone, is made of


def add_missing(labels: np.ndarray, square: Square, landmarks: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label map uint8 [h, w] of a square of a photo, with an ellipse for eyes and for lips that it has not at all.

    landmarks: [5, 2] in pixels of the photo. Also the words of what was added: "eyes", "mouth". A word of which the
    parser found any part is left alone, also where an ellipse crosses it, as is what something covers or a profile
    hides; the map given is not changed.
    """
    scale = np.array(labels.shape[::-1]) / (square[2] - square[0], square[3] - square[1])
    points = (np.asarray(landmarks, dtype=np.float64) - square[:2]) * scale
    apart = float(np.linalg.norm(points[1] - points[0]))
    if not apart > LEAST_FRONTAL * np.linalg.norm(points[3:].mean(axis=0) - points[:2].mean(axis=0)):
        return labels, ()
    filled, words = labels.copy(), []
    if not np.isin(labels, _EYES).any():
        along = (points[1] - points[0]) / apart
        shown = [
            _paint(filled, labels, point, along * EYE_LENGTH * apart, EYE_HEIGHT * apart, (label, label))
            for point, label in zip(points[:2], _EYES, strict=True)
        ]
        words += ["eyes"] * any(shown)
    if not np.isin(labels, _LIPS).any():
        along = (points[4] - points[3]) * MOUTH_LENGTH
        words += ["mouth"] * _paint(filled, labels, points[3:].mean(axis=0), along, MOUTH_HEIGHT * apart, _LIPS)
    return filled, tuple(words)


def _paint(filled, labels, middle, along, height: float, pair: tuple[int, int]) -> bool:
    """An ellipse as long as `along` [2], its upper half of the first label, its lower of the second; not if covered."""
    length = float(np.linalg.norm(along))
    if not length:
        return False
    y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
    x, y = x + 0.5 - middle[0], y + 0.5 - middle[1]
    across, down = (x * along[0] + y * along[1]) / length, (y * along[0] - x * along[1]) / length
    inside = (2 * across / length) ** 2 + (2 * down / height) ** 2 <= 1
    shown = inside & np.isin(labels, _OPEN)
    if not inside.any() or shown.sum() < LEAST_SHOWN * inside.sum():
        return False
    free = shown & np.isin(labels, _FREE)
    filled[free & (down < 0)], filled[free & (down >= 0)] = pair
    return bool(free.any())
