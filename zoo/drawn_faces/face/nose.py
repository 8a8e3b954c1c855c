"""The nose: a region, its shadow and its light."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import close_half, make_ellipse, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten, mix

NOSES = {
    "button": (0.125, 0.325, 0.085, 0.10, 0.045),
    "straight": (0.140, 0.405, 0.065, 0.17, 0.070),
    "broad": (0.215, 0.390, 0.095, 0.15, 0.105),
    "pointed": (0.115, 0.430, 0.045, 0.24, 0.050),
    "long": (0.155, 0.50, 0.070, 0.22, 0.075),
}
"""Half width of the wings, y of the tip, radius of the tip, how far it stands out, half width of the bridge."""


def find_tip(easel: Easel) -> np.ndarray:
    """The tip of the nose in pixels, [2]."""
    _, tip, _, lift, _ = _measure(easel)
    return easel.pose.place_feature([(0, tip - 0.03)], lift)[0]


def draw_nose(easel: Easel, inside: np.ndarray) -> None:
    wing, tip, ball, lift, bridge = _measure(easel)
    half = np.array(
        [(0, -0.06), (bridge, 0.02), (bridge * 1.1, tip * 0.55), (wing, tip - 0.06), (wing * 0.9, tip + 0.03)]
    )
    half = np.concatenate([half, [(ball * 0.7, tip + 0.05), (0, tip + 0.065)]])
    region = close_half(half)
    rise = lift * ((region[:, 1] + 0.06) / (tip + 0.06)).clip(0, 1)
    outline = _place(easel, region, rise)
    canvas = easel.canvas
    canvas.fill(outline, easel.skin, label=labels.NOSE, alpha=0.0, inside=inside)
    _draw_shadow(easel, inside)
    canvas.fill(
        _place(easel, make_ellipse((0, tip - 0.02), (ball * 1.35, ball * 1.1)), lift),
        mix(easel.skin, (226, 84, 76), 0.5),
        alpha=0.30,
        soft=easel.px(0.03),
        inside=inside,
    )
    for side in (-1, 1):
        hole = _place(easel, make_ellipse((side * wing * 0.45, tip + 0.035), (wing * 0.22, 0.020)), lift * 0.75)
        canvas.fill(hole, darken(easel.skin, 0.85), alpha=0.85, soft=easel.px(0.006), inside=inside)
        curl = [(wing * 0.82, tip - 0.085), (wing * 1.03, tip - 0.02), (wing * 0.86, tip + 0.045)]
        line = _place(easel, smooth(np.array(curl) * [side, 1], closed=False), lift * 0.5)
        canvas.fill(thicken(line, easel.px(0.036)), darken(easel.skin, 0.70), alpha=0.8, inside=inside)
    base = [(-ball * 0.75, tip + 0.045), (0, tip + 0.068), (ball * 0.75, tip + 0.045)]
    line = _place(easel, smooth(base, closed=False), lift * 0.9)
    canvas.fill(thicken(line, easel.px(0.034)), darken(easel.skin, 0.68), alpha=0.75, inside=inside)
    _draw_light(easel, inside)


def _measure(easel: Easel) -> tuple[float, ...]:
    wing, tip, ball, lift, bridge = NOSES[easel.person.nose]
    return wing * easel.person.nose_width, tip * easel.person.nose_length, ball, lift, bridge


def _place(easel: Easel, points, lift) -> np.ndarray:
    return easel.pose.place_feature(points, lift)


def _draw_shadow(easel: Easel, inside: np.ndarray) -> None:
    wing, tip, ball, lift, bridge = _measure(easel)
    away = -np.sign(easel.scene.light_side)
    upper = [(bridge * 0.45, tip * 0.55), (0.25 * bridge, 0.06), (bridge * 1.35, 0.0), (bridge * 1.5, tip * 0.5)]
    lower = [
        (wing * 1.05, tip - 0.05),
        (wing * 0.95, tip + 0.045),
        (ball * 0.55, tip + 0.02),
        (ball * 0.75, tip - 0.07),
    ]
    flank = smooth([*upper, *lower])
    shape = _place(easel, flank * [away, 1], lift * 0.55)
    easel.canvas.fill(shape, easel.skin_shadow, alpha=0.68, soft=easel.px(0.022), inside=inside)
    under = _place(easel, make_ellipse((away * 0.03, tip + 0.085), (wing * 0.9, 0.038)), 0.05)
    easel.canvas.fill(under, easel.skin_shadow, alpha=0.45, soft=easel.px(0.022), inside=inside)


def _draw_light(easel: Easel, inside: np.ndarray) -> None:
    _, tip, ball, lift, bridge = _measure(easel)
    side, bright = np.sign(easel.scene.light_side), lighten(easel.skin, 0.85)
    ridge = _place(
        easel,
        [(side * bridge * 0.2, 0.05), (side * bridge * 0.25, tip * 0.45), (side * ball * 0.3, tip - 0.1)],
        lift * 0.6,
    )
    easel.canvas.fill(thicken(ridge, easel.px(0.05)), bright, alpha=0.40, soft=easel.px(0.015), inside=inside)
    spot = _place(easel, make_ellipse((side * ball * 0.32, tip - 0.055), (ball * 0.34, ball * 0.26)), lift)
    easel.canvas.fill(spot, bright, alpha=0.75, soft=easel.px(0.01), inside=inside)
