"""Soft hats: beanie and cap."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import close_half, make_ellipse, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten
from .hat_parts import cast_shadow, fill_part, place_hat

BEANIE = close_half([(0, -1.38), (0.46, -1.28), (0.80, -0.92), (0.84, -0.50), (0, -0.56)])
BAND = close_half([(0, -0.80), (0.45, -0.77), (0.87, -0.66), (0.87, -0.44), (0.45, -0.54), (0, -0.57)])
CAP = close_half([(0, -1.30), (0.50, -1.20), (0.82, -0.86), (0.83, -0.46), (0, -0.56)])
PEAK = close_half([(0, -0.70), (0.50, -0.66), (0.74, -0.52), (0.58, -0.38), (0.28, -0.31), (0, -0.295)])


def draw_beanie(easel: Easel, colour) -> None:
    depth = 0.30 * (1 - (BAND[:, 0] / 0.9) ** 2).clip(0)
    placed = place_hat(easel, BAND, depth)
    fill_part(easel, place_hat(easel, make_ellipse((0, -1.44), (0.19, 0.18))), lighten(colour, 0.35))
    cast_shadow(easel, placed)
    mask = fill_part(easel, place_hat(easel, BEANIE), colour)
    lines = [[(x * 0.45, -1.36), (x * 0.9, -1.1), (x, -0.74)] for x in np.linspace(-0.6, 0.6, 7)]
    ribs = [thicken(place_hat(easel, smooth(line, closed=False), 0.1), easel.px(0.03)) for line in lines]
    easel.canvas.fill_all(ribs, darken(colour, 0.5), alpha=0.5, inside=mask)
    mask = fill_part(easel, placed, lighten(colour, 0.12))
    for x in np.linspace(-0.8, 0.8, 15):
        rib = place_hat(easel, [(x, -0.80), (x, -0.44)], 0.3 * (1 - (x / 0.9) ** 2))
        easel.canvas.fill(thicken(rib, easel.px(0.028), "none"), darken(colour, 0.45), alpha=0.45, inside=mask)


def draw_cap(easel: Easel, colour) -> None:
    mask = fill_part(easel, place_hat(easel, CAP), colour)
    for x in (-0.42, 0.0, 0.42):
        seam = smooth([(0, -1.30), (x * 0.9, -1.0), (x * 1.15, -0.52)], closed=False)
        easel.canvas.fill(
            thicken(place_hat(easel, seam, 0.2), easel.px(0.022), "none"), darken(colour, 0.5), alpha=0.6, inside=mask
        )
    fill_part(easel, place_hat(easel, make_ellipse((0, -1.30), (0.07, 0.05))), darken(colour, 0.2))
    badge = place_hat(easel, make_ellipse((0, -0.87), (0.17, 0.15)), 0.35)
    easel.canvas.fill(badge, (250, 246, 236), label=labels.HAT)
    easel.canvas.fill(place_hat(easel, make_ellipse((0, -0.87), (0.10, 0.09)), 0.35), darken(colour, 0.25))
    depth = 0.22 + 0.5 * ((PEAK[:, 1] + 0.70) / 0.40).clip(0, 1)
    placed = place_hat(easel, PEAK, depth)
    cast_shadow(easel, placed)
    fill_part(easel, placed, darken(colour, 0.18))
