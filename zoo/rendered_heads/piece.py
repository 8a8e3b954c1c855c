"""Pieces of what people wear."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Piece:
    """points [V, 3] of a person at rest; follow [V], how far each follows the head; triangles [T, 3]; colours [V, 3],
    linear; gloss, sharpness of its shine; label. Seen from both sides.
    """

    points: np.ndarray
    follow: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    label: int
    gloss: float = 0.3


def lay_grid(points: np.ndarray, closed: bool = True) -> np.ndarray:
    """Triangles [T, 3] between the rows of a grid of points [R, C]; closed: the last column meets the first."""
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(number, -1, axis=1) if closed else number[:, 1:]
    left = number if closed else number[:, :-1]
    a, b, c, d = left[:-1].ravel(), right[:-1].ravel(), left[1:].ravel(), right[1:].ravel()
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
