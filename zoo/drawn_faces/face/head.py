"""Neck, ears, and the head with its shading."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import close_half, make_ellipse, mirror, shift, smooth, thicken
from ..drawing.easel import Easel
from ..hair.styles import find_shapes
from ..palette import darken, lighten, mix

HALVES = {
    "oval": ((0.53, 0.70), (0.715, 0.73), (0.60, 0.40, 0.15), 1.02),
    "round": ((0.55, 0.73), (0.775, 0.79), (0.71, 0.52, 0.22), 0.93),
    "square": ((0.56, 0.72), (0.735, 0.73), (0.695, 0.56, 0.29), 1.0),
    "heart-shaped": ((0.58, 0.76), (0.765, 0.75), (0.56, 0.31, 0.10), 1.02),
    "long": ((0.50, 0.65), (0.665, 0.67), (0.585, 0.41, 0.17), 1.13),
}
"""Half widths at forehead and temple, at eyes and cheeks, at jaw, lower jaw and chin; and the chin's y."""
EARS = {"small": (0.115, 0.20, 0.0), "large": (0.16, 0.27, 0.02), "protruding": (0.17, 0.24, 0.09)}
"""Half width, half height, how far they stand out."""
AURICLE = smooth(
    [(-1.3, -0.7), (-0.1, -1), (0.75, -0.8), (1, -0.25), (0.75, 0.3), (0.35, 0.85), (-0.2, 1), (-1.3, 0.6)]
)


def find_chin(easel: Easel) -> float:
    return HALVES[easel.person.face_shape][3] * easel.person.face_length


def outline_head(easel: Easel, drop: float = 0.0) -> np.ndarray:
    """The outline of skull and face in pixels; drop: chin lowered by an open mouth, head units."""
    upper, middle, lower, _ = HALVES[easel.person.face_shape]
    chin = find_chin(easel) + drop
    width = easel.person.face_width
    half = [
        (0, -0.96, 0),
        (0.30, -0.91, 0),
        (upper[0], -0.72, 0),
        (upper[1], -0.38, 0),
        (middle[0], -0.05, 0),
        (middle[1] * 0.985, 0.20, 0.03),
        (lower[0] * 1.06, chin * 0.50, 0.10),
        (lower[1] * 1.08, chin * 0.80, 0.24),
        (lower[2], chin * 0.975, 0.34),
        (0, chin, 0.36),
    ]
    half = np.array(half) * [width, 1, 1]
    depth = smooth(np.concatenate([half, half[-2:0:-1]])[:, [2, 1]])[:, 0]
    return easel.pose.place_outline(close_half(half[:, :2]), depth)


def draw_neck(easel: Easel) -> None:
    canvas, pose, skin = easel.canvas, easel.pose, easel.skin
    wide = 0.40 if easel.person.kind == "man" else 0.33
    half = [(wide, 0.4), (wide * 0.98, 0.95), (wide * 1.12, 1.2), (0.75, 1.45), (0.9, 2.0)]
    neck = smooth([*half, *mirror(half)])
    outline = pose.place_body(neck)
    base = mix(darken(skin, 0.10), easel.skin_shadow, 0.15)
    canvas.fill(outline, base, label=labels.NECK)
    mask = canvas.mask(outline)
    shadow = shift(outline_head(easel), -easel.px(0.10) * easel.scene.light_side, easel.px(0.20))
    canvas.fill(shadow, easel.skin_shadow, alpha=0.75, soft=easel.px(0.035), inside=mask)


def draw_ears(easel: Easel) -> None:
    person = easel.person
    covered = find_shapes(person.hair, person.hair_volume, person.part).covered
    for side, label in ((-1, labels.LEFT_EAR), (1, labels.RIGHT_EAR)):
        if side not in covered:
            _draw_ear(easel, side, label)


def _draw_ear(easel: Easel, side: int, label: int) -> None:
    half_width, half_height, out = EARS[easel.person.ears]
    x = side * (HALVES[easel.person.face_shape][1][0] * easel.person.face_width + 0.02 + out)

    def place(points):
        return easel.pose.place_outline(np.asarray(points) * [side * half_width, half_height] + [x, 0.12], -0.22)

    tone = lighten(easel.skin, 0.06) if easel.scene.light_side * side > 0 else darken(easel.skin, 0.16)
    easel.canvas.fill(place(AURICLE), mix(tone, (214, 90, 80), 0.10), label=label)
    mask = easel.canvas.mask(place(AURICLE))
    easel.canvas.fill(place(AURICLE * 0.66), easel.skin_shadow, alpha=0.55, soft=easel.px(0.02), inside=mask)
    curl = smooth([(-0.2, -0.62), (0.35, -0.62), (0.6, -0.2), (0.35, 0.25), (0.1, 0.5)], closed=False)
    easel.canvas.fill(thicken(place(curl), easel.px(0.035)), tone, alpha=0.9, inside=mask)
    if easel.person.earrings:
        _draw_earring(easel, place([(0.1, 1.12)])[0])


def _draw_earring(easel: Easel, centre: np.ndarray) -> None:
    radius = easel.px(0.065)
    easel.canvas.fill(make_ellipse(centre, (radius, radius)), (226, 168, 52), label=labels.EARRING)
    glint = shift(centre, easel.scene.light_side * radius * 0.3, -radius * 0.35)
    easel.canvas.fill(make_ellipse(glint, (radius * 0.38, radius * 0.38)), (255, 244, 200), alpha=0.9)


def draw_head(easel: Easel, drop: float) -> np.ndarray:
    """Paint the head; returns its mask."""
    canvas, side = easel.canvas, easel.scene.light_side
    outline = outline_head(easel, drop)
    canvas.fill(outline, lighten(easel.skin, 0.07), label=labels.SKIN, fade=darken(easel.skin, 0.03))
    mask = canvas.mask(outline)
    lit = canvas.mask(shift(outline, easel.px(0.17) * side, -easel.px(0.07)), soft=easel.px(0.055))
    canvas.paint(mask * (1 - lit), easel.skin_shadow, 0.55)
    rim = canvas.mask(shift(outline, -easel.px(0.10) * side, easel.px(0.05)), soft=easel.px(0.04))
    canvas.paint(mask * (1 - rim), lighten(easel.skin, 0.6), 0.28)
    glow = easel.pose.place_feature(make_ellipse((0.16 * side, -0.48), (0.26, 0.14)))
    canvas.fill(glow, lighten(easel.skin, 0.7), alpha=0.35, soft=easel.px(0.09), inside=mask)
    return mask
