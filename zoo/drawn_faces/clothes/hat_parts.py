"""How every part of a hat is placed and shaded."""

import numpy as np
from numpy.typing import ArrayLike

from ..drawing import labels
from ..drawing.curves import shift
from ..drawing.easel import Easel
from ..face.head import HALVES
from ..palette import darken, lighten


def place_hat(easel: Easel, points: ArrayLike, depth: ArrayLike = 0.0) -> np.ndarray:
    scale = max(HALVES[easel.person.face_shape][0][1] / 0.72 * easel.person.face_width, 0.95)
    return easel.pose.place_outline(np.asarray(points, dtype=np.float64) * [scale, 1], depth)


def fill_part(easel: Easel, outline: np.ndarray, colour, label=labels.HAT) -> np.ndarray:
    """A shaded part of a hat; returns its mask."""
    canvas, side = easel.canvas, easel.scene.light_side
    canvas.fill(outline, lighten(colour, 0.12), label=label, fade=darken(colour, 0.10))
    mask = canvas.mask(outline)
    lit = canvas.mask(shift(outline, easel.px(0.20) * side, -easel.px(0.04)), soft=easel.px(0.08))
    canvas.paint(mask * (1 - lit), darken(colour, 0.6), 0.5)
    return mask


def cast_shadow(easel: Easel, outline: np.ndarray) -> None:
    """The shadow of a rim on what is below it."""
    low = shift(outline, -easel.px(0.04) * easel.scene.light_side, easel.px(0.08))
    easel.canvas.fill(low, (60, 24, 40), alpha=0.28, soft=easel.px(0.03))
