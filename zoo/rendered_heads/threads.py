"""Hair as a camera sees it: threads in front of everything that is not before them.

source: J. Kajiya, T. Kay, Rendering fur with three dimensional textures, SIGGRAPH 1989, for the shine along hairs.
"""

from dataclasses import dataclass

import numpy as np

from zoo.drawn_faces.drawing import labels

from .figure import Figure
from .lamps import Lamps
from .layers import Layers
from .mesh import normalise
from .raster import keep_nearest, trace_hairs

COPIES = ((0, 0, 0.0), (1, 0, 1.2), (0, 1, 1.6), (1, 1, 2.4), (-1, 0, 3.2), (0, -1, 4.0))
"""A hair of several samples is as many copies of its line: how far across and down, from which width on."""
NEAR = 0.012
"""How far behind a surface a hair is still seen, in dm."""


@dataclass(frozen=True, eq=False)
class Threads:
    """Fragments of hairs that are seen: pixels, depths, hairs, their segments and shares of these, [N] each."""

    pixels: np.ndarray
    depths: np.ndarray
    strand: np.ndarray
    part: np.ndarray
    share: np.ndarray


def draw_hair(layers: Layers, figure: Figure, lamps: Lamps) -> None:
    traced = [trace_hairs(figure.pose.project(places), layers.side) for places, *_ in figure.hairs]
    pixels, strand, part, share, depths = (np.concatenate(column) for column in zip(*traced, strict=True))
    which = np.repeat(np.arange(len(traced)), [len(one[0]) for one in traced])
    front = np.flatnonzero(depths < layers.depth[pixels] + NEAR)
    nearest = front[keep_nearest(pixels[front], depths[front], layers.side)]
    wide = np.array([grown.width for _, grown, *_ in figure.hairs])[which[nearest]] / layers.pixel
    rows, moved = _copy(nearest, pixels, wide, layers.side)
    seen = np.flatnonzero(depths[rows] < layers.depth[moved] + NEAR)
    seen = seen[keep_nearest(moved[seen], depths[rows[seen]], layers.side)]
    for number, hair in enumerate(figure.hairs):
        chosen = seen[which[rows[seen]] == number]
        row = rows[chosen]
        threads = Threads(moved[chosen], depths[row], strand[row], part[row], share[row])
        if len(row):
            _light_hair(layers, figure, lamps, hair, threads)


def _copy(nearest, pixels, wide, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Fragments as often as hairs are samples wide: which they are, and where."""
    rows = [nearest[(wide >= least) & (pixels[nearest] % side + x < side)] for x, _, least in COPIES]
    moved = np.concatenate([pixels[row] + y * side + x for row, (x, y, _) in zip(rows, COPIES, strict=True)])
    inside = (moved >= 0) & (moved < side * side)
    return np.concatenate(rows)[inside], moved[inside]


def _light_hair(layers: Layers, figure: Figure, lamps: Lamps, hair, threads: Threads) -> None:
    places, grown, colour, label = hair
    start, end = places[threads.strand, threads.part], places[threads.strand, threads.part + 1]
    along, place = normalise(end - start), start + threads.share[:, None] * (end - start)
    centre = figure.pose.turn(np.array([[0, 7.3, 0.45]]), np.ones(1))[0]
    out = normalise(place - centre)
    out = normalise(out - (out * along).sum(axis=1, keepdims=True) * along * 0.6)
    tip = (threads.part + threads.share) / (places.shape[1] - 1)
    whole = label == labels.HAIR
    open_ = ((0.45 + 0.55 * (tip * 3).clip(0, 1)) if whole else (0.7 + 0.3 * tip))[:, None]
    arriving, shine = _catch_light(figure, lamps, place, along, out, open_, colour)
    pixels = threads.pixels
    layers.albedo[pixels] = colour * grown.shades[threads.strand][:, None] * (0.9 + 0.35 * tip[:, None])
    layers.shade[pixels], layers.shine[pixels] = arriving, shine * (1.0 if whole else 0.3)
    layers.depth[pixels], layers.skin[pixels] = threads.depths, 0
    layers.mark[pixels] = _label_hair(figure, layers.mark[pixels], label, place, tip)


def _catch_light(figure: Figure, lamps: Lamps, place, along, out, open_, colour) -> tuple[np.ndarray, np.ndarray]:
    """Light that comes to places of hairs, and their shine: one narrow and white, one wide in the hair's colour."""
    light = lamps.light
    towards = normalise(np.array([0, 0, figure.pose.distance]) - place)
    arriving = lamps.look_around(out.astype(np.float32)) * open_ * 0.9
    shine = np.zeros_like(arriving)
    sun = light.sun_colour * lamps.see_sun(place + 0.05 * out)[:, None]
    lamp_colours = [one * 0.35 * open_ for one in light.colours]
    for axis, lamp in zip([light.sun, *light.axes], [sun, *lamp_colours], strict=True):
        wrap = (0.35 + 0.65 * (out @ axis)).clip(0, 1)[:, None]
        tilt = (along * normalise(towards + axis)).sum(axis=1)
        white = np.sqrt((1 - (tilt + 0.06) ** 2).clip(0, 1))[:, None] ** 70
        tinted = np.sqrt((1 - (tilt - 0.10) ** 2).clip(0, 1))[:, None] ** 22
        shine += wrap * lamp * (0.10 * white + 0.54 * tinted * colour)
        if axis is light.sun:
            arriving = arriving + np.sqrt((1 - (along @ axis) ** 2).clip(0, 1))[:, None] * wrap * lamp
    return arriving, shine


def _label_hair(figure: Figure, left: np.ndarray, label: int, place: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """Labels where hair is drawn over labels `left`: brows have sides, beards are skin and leave lips what they are."""
    if label == labels.LEFT_BROW:
        middle = figure.pose.turn(np.array([[0, 7.4, 1.4]]), np.ones(1))[0, 0]
        side = np.where(place[:, 0] < middle, labels.LEFT_BROW, labels.RIGHT_BROW)
        return np.where((left == labels.HAIR) | (left == labels.BACKGROUND), left, side)
    kept = np.isin(left, (labels.UPPER_LIP, labels.LOWER_LIP)) | ((left == labels.NECK) & (tip < 0.3))
    return np.where(kept & (label == labels.SKIN), left, label)
