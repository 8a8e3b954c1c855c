"""Beards and moustaches; they are skin in the label map, as in CelebAMask-HQ."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import close_half, shift, smooth, thicken
from ..drawing.easel import Easel
from ..palette import darken, lighten, mix
from .expression import EXPRESSIONS
from .head import HALVES, find_chin
from .mouth import find_corners


def draw_beard(easel: Easel, inside: np.ndarray) -> None:
    kind = easel.person.beard
    if kind == "none":
        return
    colour = mix(darken(easel.hair, 0.12), easel.skin, 0.05)
    if kind == "stubble":
        easel.canvas.fill(
            _trace_jaw(easel, 0.0),
            mix(darken(easel.hair, 0.5), easel.skin, 0.3),
            alpha=0.38,
            soft=easel.px(0.035),
            inside=inside,
        )
    if kind == "full beard":
        _fill_hair(easel, _trace_jaw(easel, 0.10), colour)
    if kind == "goatee":
        _fill_hair(easel, _trace_goatee(easel), colour)
    if kind in ("moustache", "goatee", "full beard"):
        _fill_hair(easel, _trace_moustache(easel, 1.15 if kind == "moustache" else 0.9), colour)


def _trace_jaw(easel: Easel, out: float) -> np.ndarray:
    """From ear to ear around the chin, with room for the mouth; out: beyond the chin, head units."""
    _, middle, lower, _ = HALVES[easel.person.face_shape]
    drop = EXPRESSIONS[easel.scene.expression].drop
    chin, width = find_chin(easel) + drop, easel.person.face_width
    outer = [
        (middle[1] * 0.99, 0.10),
        (middle[1] * 1.0, 0.26),
        (lower[0] * 1.10, chin * 0.52),
        (lower[1] * 1.14, chin * 0.82 + out * 0.5),
    ]
    outer += [(lower[2] * 1.1, chin + out * 0.9), (0, chin + out)]
    inner = [(0, chin * 0.60), (0.20, chin * 0.60), (0.36, chin * 0.56), (0.50, chin * 0.42), (0.60, chin * 0.24)]
    half = np.array([*inner, *outer]) * [width, 1]
    depth = np.interp(half[:, 1], [0.1, chin * 0.5, chin], [-0.0, 0.12, 0.36])
    depth[: len(inner)] += 0.18
    curve = close_half(half)
    pairs = np.concatenate([depth, depth[-2:0:-1]])
    return easel.pose.place_outline(curve, smooth(np.stack([pairs, pairs], axis=1))[:, 0])


def _trace_goatee(easel: Easel) -> np.ndarray:
    chin = find_chin(easel) + EXPRESSIONS[easel.scene.expression].drop
    half = [(0, chin * 0.80), (0.10, chin * 0.82), (0.17, chin * 0.93), (0.10, chin + 0.06), (0, chin + 0.10)]
    return easel.pose.place_outline(close_half(half), 0.38)


def _trace_moustache(easel: Easel, size: float) -> np.ndarray:
    left, right = find_corners(easel)
    middle, along = (left + right) / 2, (right - left) / 2
    along = along / np.hypot(*along) * easel.px(0.29)
    up = np.array([along[1], -along[0]])
    half = np.array([(0, 0.42), (0.35, 0.50), (0.78, 0.26), (1.02, -0.10), (0.70, -0.02), (0.35, 0.10), (0, 0.16)])
    shape = shift(close_half(half) * size, 0, 0.02)
    return middle + shape[:, :1] * along + shape[:, 1:] * up


def _fill_hair(easel: Easel, outline: np.ndarray, colour) -> None:
    canvas = easel.canvas
    canvas.fill(outline, lighten(colour, 0.06), label=labels.SKIN, fade=darken(colour, 0.22))
    mask, rng = canvas.mask(outline), easel.rng(2)
    low, high = outline.min(axis=0), outline.max(axis=0)
    strokes = []
    for _ in range(26):
        start = low + (high - low) * [rng.uniform(0, 1), rng.uniform(0, 0.9)]
        bend = easel.px(rng.uniform(-0.05, 0.05))
        line = start + np.array([(0, 0), (bend, easel.px(0.07)), (bend * 1.5, easel.px(0.15))])
        strokes.append(thicken(line, easel.px(0.022)))
    canvas.fill_all(strokes[::2], lighten(colour, 0.22), alpha=0.55, inside=mask)
    canvas.fill_all(strokes[1::2], darken(colour, 0.35), alpha=0.55, inside=mask)
