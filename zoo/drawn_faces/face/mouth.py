"""Lips, and what is between them."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import make_ellipse, shift, thicken
from ..drawing.easel import Easel
from ..palette import LIPS, darken, lighten, mix
from .expression import EXPRESSIONS
from .head import find_chin

MOUTHS = {"wide": (0.305, 0.052, 0.070), "full": (0.235, 0.078, 0.105), "thin": (0.250, 0.038, 0.048)}
MOUTHS["small"] = (0.165, 0.058, 0.078)
"""Half width, height of the upper and of the lower lip."""
LIFT = 0.04
OPEN = ("laughing", "surprised")


def find_corners(easel: Easel) -> np.ndarray:
    """The corners of the mouth in pixels, left of the picture first, [2, 2]."""
    parting = _trace_parting(easel)[0]
    return easel.pose.place_feature(parting[[0, -1]], LIFT)


def draw_mouth(easel: Easel, inside: np.ndarray) -> None:
    canvas = easel.canvas
    above, below = _trace_parting(easel)
    roof, floor = _trace_lips(easel, above, below)
    tone = mix(LIPS[easel.person.lips], easel.skin, 0.18 if easel.person.kind == "woman" else 0.52)
    tone = mix(tone, darken(easel.skin, 0.5), 0.15)
    _draw_surroundings(easel, above, floor, inside)
    if easel.scene.expression in OPEN:
        _draw_opening(easel, above, below, inside)
    canvas.fill(_place(easel, roof, above[::-1]), darken(tone, 0.20), label=labels.UPPER_LIP, inside=inside)
    canvas.fill(_place(easel, below, floor[::-1]), tone, label=labels.LOWER_LIP, inside=inside)
    _draw_shine(easel, below, floor, lighten(tone, 0.65), inside)
    if easel.scene.expression not in OPEN:
        lips = canvas.mask(_place(easel, roof, floor[::-1])) * inside
        canvas.fill(thicken(_place(easel, above), easel.px(0.030)), darken(tone, 0.72), alpha=0.9, inside=lips)


def _draw_shine(easel: Easel, below: np.ndarray, floor: np.ndarray, colour, inside: np.ndarray) -> None:
    upper, lower = below[len(below) // 2], floor[len(floor) // 2]
    width, height = below[-1, 0], lower[1] - upper[1]
    centre = (0.22 * width * np.sign(easel.scene.light_side), (upper[1] + lower[1]) / 2)
    lip = easel.canvas.mask(_place(easel, below, floor[::-1])) * inside
    shine = _place(easel, make_ellipse(centre, (width * 0.26, height * 0.20)))
    easel.canvas.fill(shine, colour, alpha=0.55, soft=easel.px(0.012), inside=lip)


def _place(easel: Easel, *lines) -> np.ndarray:
    return easel.pose.place_feature(np.concatenate(lines), LIFT)


def _trace_lips(easel: Easel, above: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper edge of the upper lip and the lower edge of the lower one, left to right."""
    _, upper, lower = MOUTHS[easel.person.mouth]
    t = above[:, 0] / above[-1, 0]
    arch = (1 - t**2).clip(0) ** 0.55
    bow = np.exp(-((np.abs(t) - 0.22) ** 2) / 0.05) * 0.30 + 0.72
    return above - np.stack([0 * t, upper * arch * bow], axis=1), below + np.stack([0 * t, lower * arch**1.1], axis=1)


def _draw_surroundings(easel: Easel, above: np.ndarray, floor: np.ndarray, inside: np.ndarray) -> None:
    """The shadow below the lower lip and the dimples."""
    canvas, width = easel.canvas, above[-1, 0]
    under = _place(easel, make_ellipse((0, floor[:, 1].max() + 0.055), (width * 0.55, 0.03)))
    canvas.fill(under, easel.skin_shadow, alpha=0.42, soft=easel.px(0.025), inside=inside)
    for corner in _place(easel, above[[0, -1]]):
        dimple = make_ellipse(corner, (easel.px(0.032),) * 2)
        canvas.fill(dimple, easel.skin_shadow, alpha=0.7, soft=easel.px(0.014), inside=inside)


def _trace_parting(easel: Easel) -> tuple[np.ndarray, np.ndarray]:
    """The lower edge of the upper lip and the upper edge of the lower one, left to right."""
    feeling = EXPRESSIONS[easel.scene.expression]
    width = MOUTHS[easel.person.mouth][0] * easel.person.mouth_width * feeling.width
    t = np.linspace(-1, 1, 25)
    y = 0.36 + 0.32 * find_chin(easel) + 0.02 - feeling.lift * (np.abs(t) ** 1.8 - 0.4)
    x = t * width
    above = np.stack([x, y - 0.012 * (1 - np.abs(t)) + feeling.gap * -0.18 * (1 - t**2)], axis=1)
    below = np.stack([x, y - 0.012 * (1 - np.abs(t)) + feeling.gap * 0.82 * (1 - t**2) ** 0.8], axis=1)
    return above, below


def _draw_opening(easel: Easel, above: np.ndarray, below: np.ndarray, inside: np.ndarray) -> None:
    canvas, outline = easel.canvas, _place(easel, above, below[::-1])
    canvas.fill(outline, (92, 24, 34), label=labels.MOUTH, inside=inside)
    hole = canvas.mask(outline) * inside
    tongue = make_ellipse(below[len(below) // 2] - [0, 0.005], (above[-1, 0] * 0.55, 0.065))
    canvas.fill(_place(easel, tongue), (214, 96, 100), inside=hole)
    if easel.scene.expression == "laughing":
        canvas.fill(_place(easel, above - [0, 0.03], shift(above, 0, 0.072)[::-1]), (252, 248, 240), inside=hole)
