"""Cheeks, freckles, a mole, and the lines of age."""

import numpy as np

from ..drawing.curves import make_ellipse, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten, mix


def draw_skin_marks(easel: Easel, inside: np.ndarray) -> None:
    person = easel.person
    _draw_cheeks(easel, inside, 0.50 if person.mark == "rosy cheeks" else 0.22)
    if person.mark == "freckles":
        _draw_freckles(easel, inside)
    elif person.mark == "mole":
        centre = easel.pose.place_feature([(0.30 * person.part, 0.50)])[0]
        easel.canvas.fill(make_ellipse(centre, (easel.px(0.033),) * 2), darken(easel.skin, 0.85), inside=inside)
    if person.age == "old":
        _draw_wrinkles(easel, inside)


def _draw_cheeks(easel: Easel, inside: np.ndarray, strength: float) -> None:
    flush = mix(easel.skin, (236, 60, 70), 0.42)
    for side in (-1, 1):
        cheek = easel.pose.place_feature(make_ellipse((side * 0.43, 0.33), (0.16, 0.11)))
        easel.canvas.fill(cheek, flush, alpha=strength, soft=easel.px(0.07), inside=inside)
    lit = easel.scene.light_side
    bone = easel.pose.place_feature(make_ellipse((0.42 * np.sign(lit), 0.22), (0.12, 0.05)))
    easel.canvas.fill(bone, lighten(easel.skin, 0.7), alpha=0.35 * abs(lit), soft=easel.px(0.04), inside=inside)


def _draw_freckles(easel: Easel, inside: np.ndarray) -> None:
    draws = easel.rng(1).generator.random((34, 3))
    sides = np.where(np.arange(34) % 2, 1, -1)
    points = np.stack([sides * (0.04 + 0.56 * draws[:, 0]), 0.17 + 0.25 * draws[:, 1]], axis=1)
    radii = easel.px(1.0) * (0.013 + 0.011 * draws[:, 2])
    spots = easel.pose.place_feature(points, 0.02)[:, None] + make_ellipse((0, 0), (1, 1), 12) * radii[:, None, None]
    tone = darken(mix(easel.skin, (190, 90, 30), 0.45), 0.28)
    easel.canvas.fill_all(spots, tone, alpha=0.75, inside=inside)


def _draw_wrinkles(easel: Easel, inside: np.ndarray) -> None:
    lines = [[(-0.30, y), (0, y - 0.02), (0.30, y)] for y in (-0.56, -0.46)]
    for side in (-1, 1):
        lines.append([(side * 0.24, 0.38), (side * 0.34, 0.50), (side * 0.38, 0.64)])
        lines.append([(side * 0.20, 0.17), (side * 0.33, 0.22), (side * 0.46, 0.18)])
        lines += [
            [(side * 0.56, 0.0 + k), (side * 0.61, 0.015 + 1.6 * k), (side * 0.65, 0.02 + 2.4 * k)]
            for k in (-0.03, 0.03)
        ]
    placed = [easel.pose.place_feature(smooth(line, closed=False)) for line in lines]
    strokes = thicken(placed, easel.px(0.026))
    easel.canvas.fill_all(strokes, darken(easel.skin, 0.6), alpha=0.5, inside=inside)
