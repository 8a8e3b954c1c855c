"""Copy-paste: is a picture nearer to the photo it was drawn from than to other photos of the same person?

With distances d of picture g, photo drawn from r, and another photo t of the person: (d(g, t) - d(g, r)) / d(t, r),
mean over the other photos. 1 is a copy of the photo, 0 as near to one as to the other, -1 a copy of the other photo.
For identity, d is the angle between ID embeddings, after the copy-paste score of WithAnyone (arXiv 2510.14975),
where t is the true picture of the prompt. Pose and light, with distances of the same kind, are this project's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..face.face import Face, align_face, require_embedding

LIGHT_CELLS = 7
"""Squares of 16 px along a side of the aligned face: what is wider than a nose is light, what is narrower features."""
SAME = 1e-3
"""Radians; photos nearer to each other than this are one photo and tell nothing."""


@dataclass(frozen=True, eq=False)
class Look:
    """What one face shows, each a vector of unit length whose angles are distances.

    identity: its ID embedding. pose: complex [5], the landmarks without place, size and turn in the picture, so that
    what is left is where the head looks, and the shape of the face; None without landmarks. light: [49], the
    brightness of the aligned face in squares, without mean and contrast; None without landmarks.
    """

    identity: np.ndarray
    pose: np.ndarray | None
    light: np.ndarray | None


def read_look(photo: np.ndarray, face: Face) -> Look:
    """Of a face that was found in an RGB photo [H, W, 3]."""
    embedding = require_embedding(face)
    if face.landmarks is None:
        return Look(embedding, None, None)
    points = face.landmarks.astype(np.float64)
    return Look(embedding, _centre(points[:, 0] + 1j * points[:, 1]), _centre(_read_light(align_face(photo, face))))


def measure_copying(picture: Look, photo: Look, others: Sequence[Look]) -> dict[str, float]:
    """{"identity", "pose", "light": -1..1} of what all of them have; others: of the person's other photos, at least
    one that differs from the photo."""
    found = {}
    for part in ("identity", "pose", "light"):
        looks = [getattr(look, part) for look in (picture, photo, *others)]
        if all(look is not None for look in looks):
            scores = [_compare(looks[0], looks[1], other) for other in looks[2:]]
            scores = [score for score in scores if score is not None]
            if scores:
                found[part] = float(np.mean(scores))
    return found


def _compare(picture: np.ndarray, photo: np.ndarray, other: np.ndarray) -> float | None:
    apart = _measure_angle(photo, other)
    if apart < SAME:
        return None
    return float(np.clip((_measure_angle(picture, other) - _measure_angle(picture, photo)) / apart, -1, 1))


def _measure_angle(first: np.ndarray, second: np.ndarray) -> float:
    """Radians; of complex shapes Kendall's distance, with the one turned upon the other."""
    product = np.vdot(first, second)
    return float(np.arccos(np.clip(abs(product) if np.iscomplexobj(first) else product, -1, 1)))


def _read_light(crop: np.ndarray) -> np.ndarray:
    """Brightness in squares, [49], of an aligned face, RGB uint8 [112, 112, 3]."""
    grey = crop @ np.array([0.299, 0.587, 0.114])
    side = len(grey) // LIGHT_CELLS
    return grey.reshape(LIGHT_CELLS, side, LIGHT_CELLS, side).mean(axis=(1, 3)).ravel()


def _centre(values: np.ndarray) -> np.ndarray:
    away = values - values.mean()
    return away / max(float(np.linalg.norm(away)), 1e-12)
