"""How everything made of cloth is placed on the shoulders."""

import numpy as np

from ..drawing.curves import smooth, thicken
from ..drawing.easel import Easel


def place_cloth(easel: Easel, points) -> np.ndarray:
    wide = 1.10 if easel.person.kind == "man" else 0.96
    points = np.asarray(points, dtype=np.float64)
    far = np.clip((np.abs(points[:, 0]) - 0.45) / 0.5, 0, 1)
    return easel.pose.place_body(points * np.stack([1 + (wide - 1) * far, np.ones_like(far)], axis=1))


def draw_line(easel: Easel, points, width: float, colour, alpha=1.0, inside=None, taper="none", label=None) -> None:
    stroke = thicken(place_cloth(easel, smooth(points, closed=False)), easel.px(width), taper)
    easel.canvas.fill(stroke, colour, alpha=alpha, inside=inside, label=label)
