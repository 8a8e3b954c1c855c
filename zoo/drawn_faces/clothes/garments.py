"""What is special about each garment."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import close_half, make_ellipse, shift, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten
from .cloth import draw_line, place_cloth


def draw_tshirt(easel: Easel, mask) -> None:
    _draw_neckline(easel, darken(easel.cloth, 0.25))


def draw_stripes(easel: Easel, mask) -> None:
    pale = (250, 246, 238) if sum(easel.cloth) < 660 else (70, 86, 140)
    for y in np.arange(1.30, 3.0, 0.24):
        draw_line(
            easel,
            [(-1.6, y + 0.16), (-0.8, y + 0.03), (0, y + 0.10), (0.8, y + 0.03), (1.6, y + 0.16)],
            0.105,
            pale,
            0.92,
            mask,
        )
    draw_tshirt(easel, mask)


def draw_shirt(easel: Easel, mask) -> None:
    draw_line(easel, [(0, 1.48), (0, 2.0), (0, 3.0)], 0.03, darken(easel.cloth, 0.5), 0.7, mask)
    for y in (1.66, 1.96, 2.26):
        button = place_cloth(easel, make_ellipse((0, y), (0.035, 0.035)))
        easel.canvas.fill(button, lighten(easel.cloth, 0.75))
    _draw_collar_points(easel, lighten(easel.cloth, 0.22))


def _draw_collar_points(easel: Easel, colour) -> None:
    for side in (-1, 1):
        flap = place_cloth(
            easel, np.array([(0.41, 1.00), (0.50, 1.18), (0.40, 1.62), (0.02, 1.50), (0.30, 1.28)]) * [side, 1]
        )
        shade = shift(flap, 0, easel.px(0.05))
        easel.canvas.fill(shade, darken(easel.cloth, 0.7), alpha=0.35, soft=easel.px(0.02))
        easel.canvas.fill(flap, colour, label=labels.CLOTH, fade=darken(colour, 0.10))


def draw_hoodie(easel: Easel, mask) -> None:
    draw_line(
        easel,
        [(-0.55, 1.16), (-0.36, 1.40), (0, 1.52), (0.36, 1.40), (0.55, 1.16)],
        0.20,
        darken(easel.cloth, 0.16),
        label=labels.CLOTH,
    )
    draw_line(
        easel,
        [(-0.50, 1.14), (-0.33, 1.34), (0, 1.44), (0.33, 1.34), (0.50, 1.14)],
        0.03,
        darken(easel.cloth, 0.55),
        0.7,
    )
    for side in (-1, 1):
        draw_line(
            easel,
            [(side * 0.24, 1.50), (side * 0.27, 1.75), (side * 0.23, 2.02)],
            0.05,
            (248, 244, 236),
            label=labels.CLOTH,
        )


def draw_jumper(easel: Easel, mask) -> None:
    neck = close_half([(0, 1.00), (0.36, 0.94), (0.43, 1.10), (0.48, 1.28), (0, 1.40)])
    placed = place_cloth(easel, neck)
    easel.canvas.fill(placed, lighten(easel.cloth, 0.16), label=labels.CLOTH, fade=darken(easel.cloth, 0.14))
    collar = easel.canvas.mask(placed)
    for x in np.linspace(-0.4, 0.4, 9):
        draw_line(easel, [(x * 0.9, 0.92), (x, 1.15), (x * 1.08, 1.45)], 0.024, darken(easel.cloth, 0.5), 0.45, collar)
    for row in np.arange(1.62, 2.6, 0.2):
        points = [(x, row + 0.05 * (index % 2)) for index, x in enumerate(np.linspace(-1.5, 1.5, 31))]
        stroke = thicken(place_cloth(easel, points), easel.px(0.03), "none")
        easel.canvas.fill(stroke, lighten(easel.cloth, 0.35), alpha=0.55, inside=mask)


def draw_suit(easel: Easel, mask) -> None:
    shirt = place_cloth(easel, [(-0.36, 1.12), (0.36, 1.12), (0.36, 1.5), (0, 2.4), (-0.36, 1.5)])
    easel.canvas.fill(shirt, (246, 246, 248), label=labels.CLOTH)
    tie = (196, 52, 60) if easel.scene.clothes_colour not in ("red", "orange", "pink") else (44, 56, 98)
    easel.canvas.fill(
        place_cloth(easel, [(-0.09, 1.40), (0.09, 1.40), (0.06, 1.54), (0.13, 2.3), (-0.13, 2.3), (-0.06, 1.54)]),
        tie,
        label=labels.CLOTH,
    )
    draw_line(easel, [(-0.065, 1.54), (0.065, 1.54)], 0.025, darken(tie, 0.5), 0.7)
    for side in (-1, 1):
        flap = np.array([(0.35, 1.12), (0.43, 1.15), (0.33, 1.52), (0.05, 1.38), (0.28, 1.24)]) * [side, 1]
        easel.canvas.fill(place_cloth(easel, flap), (255, 255, 255), label=labels.CLOTH, fade=(214, 216, 226))
        lapel = np.array(
            [(0.44, 1.12), (0.60, 1.22), (0.74, 1.62), (0.58, 1.66), (0.62, 1.76), (0.08, 2.5), (0.26, 1.75)]
        ) * [side, 1]
        placed = place_cloth(easel, lapel)
        easel.canvas.fill(shift(placed, 0, easel.px(0.04)), darken(easel.cloth, 0.8), alpha=0.35, soft=easel.px(0.02))
        easel.canvas.fill(placed, lighten(easel.cloth, 0.10), label=labels.CLOTH, fade=darken(easel.cloth, 0.2))


def draw_scarf(easel: Easel, mask) -> None:
    """A scarf over a plain coat: the garment's colour is the scarf's."""
    easel.canvas.paint(mask, (74, 78, 96), 0.92)
    tail = place_cloth(easel, smooth([(0.12, 1.3), (0.52, 1.3), (0.60, 2.1), (0.56, 2.6), (0.16, 2.6), (0.16, 2.0)]))
    wrap = place_cloth(
        easel, close_half([(0, 0.99), (0.40, 0.92), (0.56, 1.06), (0.58, 1.30), (0.36, 1.45), (0, 1.50)])
    )
    for outline in (tail, wrap):
        easel.canvas.fill(shift(outline, 0, easel.px(0.06)), (20, 16, 34), alpha=0.4, soft=easel.px(0.03))
        easel.canvas.fill(outline, lighten(easel.cloth, 0.14), label=labels.CLOTH, fade=darken(easel.cloth, 0.22))
    inside = easel.canvas.mask(wrap)
    for y, bend in ((1.06, 0.16), (1.18, 0.15), (1.30, 0.12)):
        draw_line(
            easel,
            [(-0.6, y - 0.06), (-0.1, y + bend), (0.6, y - 0.02)],
            0.035,
            darken(easel.cloth, 0.5),
            0.6,
            inside,
            "both",
        )
    for y in (1.75, 1.95, 2.15):
        draw_line(easel, [(0.1, y), (0.62, y)], 0.07, lighten(easel.cloth, 0.6), 0.8, easel.canvas.mask(tail))


def draw_dungarees(easel: Easel, mask) -> None:
    """Dungarees over a pale shirt: the garment's colour is the dungarees'."""
    pale = (250, 244, 228) if sum(easel.cloth) < 660 else (120, 150, 190)
    easel.canvas.paint(mask, pale, 0.86)
    bib = [(-0.52, 1.74), (0, 1.78), (0.52, 1.74), (0.62, 2.6), (-0.62, 2.6)]
    straps = [
        thicken(place_cloth(easel, [(side * 0.66, 1.10), (side * 0.50, 1.84)]), easel.px(0.19), "none")
        for side in (-1, 1)
    ]
    for outline in (*straps, place_cloth(easel, bib)):
        easel.canvas.fill(
            shift(outline, 0, easel.px(0.03)), darken(pale, 0.7), alpha=0.25, soft=easel.px(0.02), inside=mask
        )
        easel.canvas.fill(outline, lighten(easel.cloth, 0.10), inside=mask, fade=darken(easel.cloth, 0.10))
    for side in (-1, 1):
        button = place_cloth(easel, make_ellipse((side * 0.47, 1.82), (0.06, 0.06)))
        easel.canvas.fill(button, (240, 196, 84), inside=mask)
    _draw_neckline(easel, darken(pale, 0.18))


def _draw_neckline(easel: Easel, colour) -> None:
    line = [(-0.35, 1.14), (-0.28, 1.33), (0, 1.42), (0.28, 1.33), (0.35, 1.14)]
    draw_line(easel, line, 0.075, colour, label=labels.CLOTH)
