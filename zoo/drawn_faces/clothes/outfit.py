"""Clothes: hood, shoulders and garment."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import close_half, shift, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten
from . import garments
from .cloth import place_cloth


def draw_hood(easel: Easel) -> None:
    """What of the clothes is behind the head."""
    if easel.scene.clothes != "hoodie":
        return
    hood = close_half([(0, 0.35), (0.55, 0.55), (0.86, 1.05), (0.80, 1.6), (0, 1.7)])
    easel.canvas.fill(
        easel.pose.place_body(hood), darken(easel.cloth, 0.35), label=labels.CLOTH, fade=darken(easel.cloth, 0.1)
    )


def draw_clothes(easel: Easel) -> None:
    mask = _draw_shoulders(easel, _COLLARS[easel.scene.clothes])
    _DRAWERS[easel.scene.clothes](easel, mask)


def _draw_shoulders(easel: Easel, dip: float) -> np.ndarray:
    """dip: y of the collar's lowest point."""
    canvas, side = easel.canvas, easel.scene.light_side
    right = [(0.34, 1.13), (0.62, 1.21), (1.02, 1.34), (1.30, 1.62), (1.42, 2.2), (1.46, 3.2)]
    collar = [
        (-0.34, 1.13),
        (-0.30, 1.10 + (dip - 1.10) * 0.75),
        (0, dip),
        (0.30, 1.10 + (dip - 1.10) * 0.75),
        (0.34, 1.13),
    ]
    side_line = smooth(right, closed=False)
    outline = np.concatenate([smooth(collar, closed=False)[1:-1], side_line, (side_line * [-1, 1])[::-1]])
    placed = place_cloth(easel, outline)
    canvas.fill(placed, lighten(easel.cloth, 0.08), label=labels.CLOTH, fade=darken(easel.cloth, 0.16))
    mask = canvas.mask(placed)
    lit = canvas.mask(shift(placed, easel.px(0.34) * side, -easel.px(0.03)), soft=easel.px(0.12))
    canvas.paint(mask * (1 - lit), darken(easel.cloth, 0.6), 0.55)
    for x in (-0.95, 0.95):
        fold = smooth([(x * 0.98, 1.66), (x * 0.92, 1.9), (x * 0.95, 2.4)], closed=False)
        canvas.fill(thicken(place_cloth(easel, fold), easel.px(0.05)), darken(easel.cloth, 0.5), alpha=0.5, inside=mask)
    return mask


_COLLARS = {
    "t-shirt": 1.40,
    "striped shirt": 1.36,
    "shirt": 1.50,
    "hoodie": 1.38,
    "jumper": 1.12,
    "suit": 1.75,
    "scarf": 1.15,
    "dungarees": 1.42,
}
_DRAWERS = {
    "t-shirt": garments.draw_tshirt,
    "striped shirt": garments.draw_stripes,
    "shirt": garments.draw_shirt,
    "hoodie": garments.draw_hoodie,
    "jumper": garments.draw_jumper,
    "suit": garments.draw_suit,
    "scarf": garments.draw_scarf,
    "dungarees": garments.draw_dungarees,
}
