"""Stiff hats: top hat, straw hat, party hat, crown."""

import numpy as np

from ..drawing.curves import close_half, make_ellipse, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten
from .hat_parts import cast_shadow, fill_part, place_hat


def draw_top_hat(easel: Easel, colour) -> None:
    flank = smooth([(0.62, -0.62), (0.62, -1.0), (0.70, -1.46)], closed=False)
    top = smooth([(0.70, -1.46), (0.40, -1.53), (0, -1.55), (-0.40, -1.53), (-0.70, -1.46)], closed=False)
    crown = np.concatenate([flank, top[1:-1], flank[::-1] * [-1, 1]])
    brim = make_ellipse((0, -0.66), (1.08, 0.17), 40)
    depth = 0.3 * np.sin(np.arange(40) * 2 * np.pi / 40)
    placed = place_hat(easel, brim, depth)
    cast_shadow(easel, placed)
    fill_part(easel, placed, darken(colour, 0.25))
    mask = fill_part(easel, place_hat(easel, crown), darken(colour, 0.05))
    ribbon = place_hat(
        easel,
        [(-0.8, -0.92), (0, -0.86), (0.8, -0.92), (0.8, -0.70), (0, -0.62), (-0.8, -0.70)],
        [0, 0.3, 0, 0, 0.3, 0],
    )
    easel.canvas.fill(ribbon, lighten(colour, 0.5), inside=mask)
    shine = place_hat(
        easel, [(0.34 * np.sign(easel.scene.light_side), -1.42), (0.31 * np.sign(easel.scene.light_side), -1.0)]
    )
    easel.canvas.fill(thicken(shine, easel.px(0.10)), (255, 255, 255), alpha=0.28, soft=easel.px(0.025), inside=mask)


def draw_straw_hat(easel: Easel, colour) -> None:
    straw = (232, 196, 120)
    brim = make_ellipse((0, -0.62), (1.28, 0.25), 48)
    placed = place_hat(easel, brim, 0.32 * np.sin(np.arange(48) * 2 * np.pi / 48))
    cast_shadow(easel, placed)
    mask = fill_part(easel, placed, straw)
    for share in (0.72, 0.86):
        ring = place_hat(easel, (brim - [0, -0.62]) * share + [0, -0.62], 0.1)
        weave = thicken(np.concatenate([ring, ring[:1]]), easel.px(0.02), "none")
        easel.canvas.fill(weave, darken(straw, 0.35), alpha=0.5, inside=mask)
    dome = close_half([(0, -1.32), (0.42, -1.26), (0.68, -1.02), (0.70, -0.66), (0, -0.54)])
    mask = fill_part(easel, place_hat(easel, dome), straw)
    ribbon = place_hat(
        easel,
        [(-0.8, -0.84), (0, -0.76), (0.8, -0.84), (0.8, -0.64), (0, -0.52), (-0.8, -0.64)],
        [0, 0.3, 0, 0, 0.3, 0],
    )
    easel.canvas.fill(ribbon, colour, inside=mask)


def draw_party_hat(easel: Easel, colour) -> None:
    cone = place_hat(easel, smooth([(-0.36, -0.98), (0, -1.66), (0.36, -0.98), (0, -0.90)], steps=1))
    cast_shadow(easel, cone)
    mask = fill_part(easel, cone, colour)
    for index, (x, y) in enumerate(((-0.16, -1.04), (0.13, -1.09), (-0.06, -1.26), (0.07, -1.42))):
        dot = place_hat(easel, make_ellipse((x, y), (0.06, 0.06)))
        easel.canvas.fill(dot, ((255, 236, 120), (250, 250, 250))[index % 2], inside=mask)
    fill_part(easel, place_hat(easel, make_ellipse((0, -1.66), (0.11, 0.11))), (255, 226, 110))


def draw_crown(easel: Easel, colour) -> None:
    gold = (240, 190, 64)
    points = [
        (-0.58, -0.86),
        (-0.66, -1.40),
        (-0.36, -1.16),
        (-0.20, -1.52),
        (0, -1.20),
        (0.20, -1.52),
        (0.36, -1.16),
        (0.66, -1.40),
        (0.58, -0.86),
        (0.3, -0.79),
        (0, -0.77),
        (-0.3, -0.79),
    ]
    placed = place_hat(easel, points, [0, 0, 0.05, 0.1, 0.1, 0.1, 0.05, 0, 0, 0.15, 0.2, 0.15])
    cast_shadow(easel, placed)
    fill_part(easel, placed, gold)
    for x, y in ((-0.66, -1.42), (-0.20, -1.54), (0.20, -1.54), (0.66, -1.42)):
        fill_part(easel, place_hat(easel, make_ellipse((x, y), (0.065, 0.065))), lighten(gold, 0.3))
    for x in (-0.36, 0.0, 0.36):
        fill_part(easel, place_hat(easel, make_ellipse((x, -0.95 + 0.04 * (x == 0)), (0.075, 0.085)), 0.12), colour)
