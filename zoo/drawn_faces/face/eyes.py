"""Eyes with lids, lashes, iris and catchlight; and brows."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import make_ellipse, shift, smooth, thicken
from ..drawing.easel import Easel
from ..palette import EYE, darken, lighten, mix
from .expression import EXPRESSIONS

LIDS = {
    "round": (0.168, 0.175, 0.115, 0.0),
    "almond-shaped": (0.200, 0.135, 0.085, 0.022),
    "narrow": (0.205, 0.092, 0.058, 0.012),
    "droopy": (0.190, 0.130, 0.090, -0.050),
    "upturned": (0.195, 0.140, 0.080, 0.065),
}
"""Half width, height of the upper and of the lower lid, height of the outer corner; head units."""
BROWS = {
    "straight": (0.062, ((-0.19, 0.0), (0.0, -0.015), (0.20, 0.0))),
    "arched": (0.056, ((-0.19, 0.03), (0.02, -0.06), (0.13, -0.045), (0.23, 0.03))),
    "bushy": (0.105, ((-0.20, 0.01), (0.0, -0.03), (0.14, -0.025), (0.24, 0.02))),
    "thin": (0.034, ((-0.17, 0.0), (0.03, -0.05), (0.21, 0.0))),
    "slanted": (0.070, ((-0.19, 0.045), (0.05, -0.02), (0.22, -0.055))),
}
"""Thickness, and the middle line from the inner to the outer end around the eye's middle."""
SPACING = 0.325
IRIS = 0.112
INK = (38, 25, 30)


def find_eye(easel: Easel, side: int) -> tuple[float, float]:
    """The middle of an eye in head coordinates; side -1 is the left of the picture."""
    return side * SPACING * easel.person.eye_spacing * min(easel.person.face_width, 1.02), 0.02


def draw_eyes(easel: Easel, inside: np.ndarray) -> None:
    for side in (-1, 1):
        _draw_eye(easel, side, inside)
        _draw_brow(easel, side)


def _trace_lids(easel: Easel) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower lid from the inner to the outer corner, around the eye's middle."""
    width, upper, lower, corner = LIDS[easel.person.eye_shape]
    opening = EXPRESSIONS[easel.scene.expression].eyes
    corner = -(corner + easel.person.eye_tilt)
    top = [(-1, 0.018), (-0.62, -upper * 0.72), (-0.02, -upper), (0.60, -upper * 0.78 + corner * 0.5), (1, corner)]
    low = [(-1, 0.018), (-0.50, lower * 0.78), (0.10, lower), (0.64, lower * 0.72 + corner * 0.6), (1, corner)]
    scale = np.array([width, opening]) * easel.person.eye_size
    return smooth(np.array(top) * scale, closed=False), smooth(np.array(low) * scale, closed=False)


def _draw_eye(easel: Easel, side: int, inside: np.ndarray) -> None:
    canvas, middle = easel.canvas, np.array(find_eye(easel, side))

    def place(points):
        return easel.pose.place_feature(np.asarray(points) * [side, 1] + middle)

    top, low = _trace_lids(easel)
    socket = place(make_ellipse((0, -0.02), (0.25, 0.19)))
    canvas.fill(socket, easel.skin_shadow, alpha=0.24, soft=easel.px(0.05), inside=inside)
    outline = place(np.concatenate([top, low[::-1]]))
    canvas.fill(outline, (250, 248, 246), label=(labels.LEFT_EYE, labels.RIGHT_EYE)[side > 0], inside=inside)
    eye = canvas.mask(outline) * inside
    _draw_iris(easel, middle, side, eye)
    canvas.fill(thicken(place(shift(top, 0, 0.035)), easel.px(0.085), "none"), (60, 40, 70), alpha=0.26, inside=eye)
    crease = place(shift(top[4:], 0.012, -0.055))
    canvas.fill(thicken(crease, easel.px(0.024)), darken(easel.skin, 0.62), alpha=0.65, inside=inside)
    rim = thicken(place(low), easel.px(0.022))
    canvas.fill(rim, darken(easel.skin, 0.72), alpha=0.55, inside=inside)
    _draw_lashes(easel, place, top, inside)


def _draw_iris(easel: Easel, middle: np.ndarray, side: int, eye: np.ndarray) -> None:
    canvas, colour = easel.canvas, EYE[easel.person.eye_colour]
    look = np.array(easel.scene.gaze) * [0.05, 0.03]
    centre = easel.pose.place_feature([middle + look + [-side * 0.012, -0.012]])[0]
    radius = easel.px(IRIS) * easel.person.eye_size
    turn = np.cos(np.radians(easel.pose.yaw))

    def spot(share, colour, aside=(0.0, 0.0), alpha=1.0, soft=0.0):
        shape = make_ellipse(centre + np.array(aside) * radius, (radius * share * turn, radius * share))
        canvas.fill(shape, colour, alpha=alpha, soft=soft, inside=eye)

    spot(1.0, darken(colour, 0.62))
    spot(0.84, colour)
    spot(0.55, lighten(colour, 0.42), (0, 0.36), 0.75, radius * 0.16)
    spot(0.46, (24, 18, 26))
    lit = easel.scene.light_side
    spot(0.29, (255, 255, 255), (0.36 * np.sign(lit), -0.38))
    spot(0.14, (255, 255, 255), (-0.34 * np.sign(lit), 0.36), 0.7)


def _draw_lashes(easel: Easel, place, top: np.ndarray, inside: np.ndarray) -> None:
    woman = easel.person.kind == "woman"
    line = np.concatenate([top, [top[-1] + ([0.045, -0.04] if woman else [0.012, 0.004])]])
    easel.canvas.fill(thicken(place(line), easel.px(0.058 if woman else 0.042)), INK, inside=inside)
    for reach, index in ((0.075, -2), (0.066, -6)) if woman else ():
        root = top[index]
        lash = smooth(root + reach * np.array([(0, 0), (0.6, -0.45), (1, -1)]), closed=False)
        easel.canvas.fill(thicken(place(lash), easel.px(0.032), "end"), INK, inside=inside)


def _draw_brow(easel: Easel, side: int) -> None:
    thickness, line = BROWS[easel.person.brows]
    feeling = EXPRESSIONS[easel.scene.expression]
    x, y = find_eye(easel, side)
    curve = smooth(line, closed=False)
    inner = (0.22 - curve[:, 0]) / 0.44
    curve = curve - np.stack([np.zeros_like(inner), feeling.tilt * inner], axis=1)
    height = y - 0.285 * easel.person.brow_height - feeling.raised
    points = easel.pose.place_feature(curve * [side, 1] + [x, height], 0.03)
    colour = mix(darken(easel.hair, 0.35), easel.skin_shadow, 0.12)
    label = (labels.LEFT_BROW, labels.RIGHT_BROW)[side > 0]
    stroke = thicken(points, easel.px(thickness * (1.15 if easel.person.kind == "man" else 0.95)))
    easel.canvas.fill(stroke, colour, label=label)
