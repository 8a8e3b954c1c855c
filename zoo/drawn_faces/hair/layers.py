"""Hair: behind the neck, over the clothes, over the forehead; with strands and a sheen."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import make_ellipse, shift, smooth, thicken
from ..drawing.easel import Easel
from ..drawing.seeded_random import SeededRandom
from ..face.head import HALVES
from ..palette import darken, lighten, mix
from .shapes import HairShapes
from .strands import trace_curls, trace_hanging, trace_parted, trace_upward
from .styles import find_shapes


def draw_back_hair(easel: Easel) -> None:
    for outline in _find(easel).back:
        placed = _place(easel, outline, -0.25)
        easel.canvas.fill(
            placed, darken(easel.hair, 0.22), label=labels.HAIR, inside=easel.bare_head, fade=darken(easel.hair, 0.46)
        )
        _draw_hanging(easel, outline, -0.25, easel.canvas.mask(placed) * easel.bare_head, 3)
        if easel.person.hair in ("bun", "ponytail", "pigtails"):
            _draw_gloss(easel, placed)


def draw_locks(easel: Easel) -> None:
    for index, outline in enumerate(_find(easel).locks):
        placed = _place(easel, outline, -0.05)
        easel.canvas.fill(
            placed, darken(easel.hair, 0.04), label=labels.HAIR, inside=easel.bare_head, fade=darken(easel.hair, 0.26)
        )
        _draw_hanging(easel, outline, -0.05, easel.canvas.mask(placed) * easel.bare_head, 4 + index)


def draw_front_hair(easel: Easel, face: np.ndarray) -> None:
    shapes, canvas, side = _find(easel), easel.canvas, easel.scene.light_side
    if not shapes.front:
        _draw_bald_shine(easel, face)
    for index, outline in enumerate(shapes.front):
        placed = _place(easel, outline)
        visible = easel.bare_head
        cast = shift(placed, -easel.px(0.05) * side, easel.px(0.07))
        canvas.fill(
            cast, easel.skin_shadow, alpha=0.5 * (1 - shapes.sheer), soft=easel.px(0.028), inside=face * visible
        )
        colour = mix(easel.hair, easel.skin, shapes.sheer)
        soft = easel.px(0.012) if shapes.sheer else 0
        canvas.fill(
            placed, lighten(colour, 0.10), label=labels.HAIR, soft=soft, inside=visible, fade=darken(colour, 0.16)
        )
        mask = canvas.mask(placed, soft) * visible
        lit = canvas.mask(shift(placed, easel.px(0.16) * side, -easel.px(0.05)), soft=easel.px(0.06))
        canvas.paint(mask * (1 - lit), darken(colour, 0.55), 0.5)
        if shapes.flow != "none":
            _draw_flow(easel, shapes.flow, outline, mask, 6 + index)
        _draw_sheen(easel, mask, 0.30 if shapes.flow == "curl" else 0.5 * (1 - shapes.sheer))


def _find(easel: Easel) -> HairShapes:
    person = easel.person
    return find_shapes(person.hair, person.hair_volume, person.part)


def _place(easel: Easel, outline, base: float = 0.0) -> np.ndarray:
    """Near the forehead hair moves with the face, at the skull it stays."""
    person = easel.person
    scale = HALVES[person.face_shape][0][1] / 0.72 * person.face_width
    points = np.asarray(outline, dtype=np.float64)
    x, y = points.T
    front = np.clip(1 - (x / 0.78) ** 2, 0, 1) * np.clip((y + 1.0) / 0.35, 0, 1) * (y < 0.4)
    return easel.pose.place_outline(points * [scale, 1], base + 0.42 * front * (base == 0.0))


def _draw_hanging(easel: Easel, outline: np.ndarray, depth: float, mask: np.ndarray, part: int) -> None:
    rng, style = easel.rng(part), easel.person.hair
    if style in ("afro", "curly shoulder-length"):
        lines = trace_curls(rng, outline)
    else:
        lines = trace_hanging(rng, outline, 0.07 if style == "long wavy" else 0.012)
    _draw_strands(easel, lines, depth, mask, rng)


def _draw_flow(easel: Easel, flow: str, outline: np.ndarray, mask: np.ndarray, part: int) -> None:
    rng, person = easel.rng(part), easel.person
    if flow == "curl":
        lines = trace_curls(rng, outline)
    elif flow == "up":
        lines = trace_upward(rng, person.part)
    else:
        lines = trace_parted(rng, 0.0 if person.hair == "long straight" else 0.30 * person.part)
    _draw_strands(easel, lines, 0.0, mask, rng)


def _draw_strands(easel: Easel, lines: np.ndarray, depth: float, mask: np.ndarray, rng: SeededRandom) -> None:
    """Lines [K, N, 2] in head coordinates; some lighter than the hair, some darker."""
    placed = _place(easel, lines.reshape(-1, 2), depth).reshape(lines.shape)
    draws = rng.generator.random((len(lines), 2))
    strokes, light = thicken(placed, easel.px(1.0) * (0.022 + 0.032 * draws[:, 0])), draws[:, 1] < 0.45
    for chosen, tone in ((~light, darken(easel.hair, 0.55)), (light, lighten(easel.hair, 0.30))):
        if chosen.any():
            easel.canvas.fill_all(strokes[chosen], tone, alpha=0.42, inside=mask)


def _draw_sheen(easel: Easel, mask: np.ndarray, strength: float) -> None:
    aside = 0.16 * easel.scene.light_side
    arc = smooth(
        [(-0.50 + aside, -0.62), (-0.26 + aside, -0.83), (aside, -0.88), (0.26 + aside, -0.83), (0.50 + aside, -0.62)],
        closed=False,
    )
    for offset, width, alpha in ((0.0, 0.13, strength), (0.13, 0.035, strength * 0.8)):
        band = thicken(easel.pose.place_outline(shift(arc, 0, offset), 0.10), easel.px(width))
        easel.canvas.fill(band, lighten(easel.hair, 0.55), alpha=alpha, soft=easel.px(0.018), inside=mask)


def _draw_gloss(easel: Easel, placed: np.ndarray) -> None:
    mask = easel.canvas.mask(placed) * easel.bare_head
    spot = shift(placed.mean(axis=0), easel.px(0.06) * easel.scene.light_side, -easel.px(0.10))
    easel.canvas.fill(
        make_ellipse(spot, (easel.px(0.13), easel.px(0.06))),
        lighten(easel.hair, 0.5),
        alpha=0.5,
        soft=easel.px(0.03),
        inside=mask,
    )


def _draw_bald_shine(easel: Easel, face: np.ndarray) -> None:
    spot = easel.pose.place_outline(make_ellipse((0.26 * easel.scene.light_side, -0.74), (0.20, 0.08)), 0.1)
    easel.canvas.fill(spot, lighten(easel.skin, 0.85), alpha=0.65, soft=easel.px(0.04), inside=face * easel.bare_head)
