"""Skin, eyes, teeth, clothes, hats and glasses: what has a surface."""

from dataclasses import dataclass

import numpy as np

from zoo.drawn_faces.drawing import labels

from .figure import Figure
from .lamps import Lamps
from .layers import Layers
from .mesh import BODY, LASHES, LEFT_EYE, RIGHT_EYE, TEETH, TONGUE, list_part, mix, normalise
from .raster import Seen, rasterise
from .skin import paint_body, paint_eye

TEETH_COLOUR, TONGUE_COLOUR = (0.62, 0.56, 0.46), (0.35, 0.12, 0.11)
LASH_STRENGTH = {"woman": 0.75, "man": 0.45}


@dataclass(frozen=True, eq=False)
class Surface:
    """Of every sample seen: corners [N, 3] of its triangle and their shares, its owner, part (-1 of a piece) and, to be
    painted, albedo [N, 3], gloss, label, skin [N] and normal [N, 3].
    """

    corners: np.ndarray
    shares: np.ndarray
    owner: np.ndarray
    part: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    label: np.ndarray
    skin: np.ndarray
    normal: np.ndarray


def draw_solids(layers: Layers, figure: Figure, lamps: Lamps) -> None:
    seen = rasterise(figure.pose.project(figure.world), figure.solid, layers.side)
    normals, arriving = lamps.light_vertices()
    surface, uv = _find_surface(figure, seen, normals)
    places = mix(figure.world, surface.corners, surface.shares)
    towards = normalise(np.array([0, 0, figure.pose.distance]) - places)
    _paint_body(figure, surface, uv)
    _paint_eyes(figure, surface)
    _paint_mouth(surface)
    _paint_pieces(figure, surface)
    surface.normal[((surface.normal * towards).sum(axis=1) < 0) & (surface.owner > 0)] *= -1
    light = mix(arriving, surface.corners, surface.shares)
    sun = lamps.shine_sun(places, surface.normal)
    layers.albedo[seen.pixels], layers.shade[seen.pixels] = surface.albedo, light + sun
    layers.shine[seen.pixels] = lamps.reflect(surface.normal, towards, sun, light, surface.gloss)
    layers.depth[seen.pixels] = seen.depths
    layers.mark[seen.pixels], layers.skin[seen.pixels] = surface.label, surface.skin


def draw_lashes(layers: Layers, figure: Figure) -> None:
    """Lashes only darken what is behind them."""
    triangles = figure.mesh.triangles[np.isin(figure.mesh.parts, LASHES)]
    seen = rasterise(figure.pose.project(figure.world), triangles, layers.side, culled=False)
    pixels = seen.pixels[seen.depths < layers.depth[seen.pixels] + 0.01]
    left = 1 - LASH_STRENGTH[figure.model.person.kind]
    layers.albedo[pixels] *= left
    layers.shine[pixels] *= left


def _find_surface(figure: Figure, seen: Seen, normals: np.ndarray) -> tuple[Surface, np.ndarray]:
    """The surface, unpainted, and its UV coordinates [N, 2]."""
    corners, shares = figure.solid[seen.triangles], seen.shares.astype(np.float32)
    owner = figure.owners[seen.triangles]
    kept = np.flatnonzero(~np.isin(figure.mesh.parts, LASHES))
    number = kept[np.where(owner == 0, seen.triangles, 0)]
    part = np.where(owner == 0, figure.mesh.parts[number], -1)
    uv = (figure.mesh.corners[number] * shares[..., None]).sum(axis=1)
    count = len(owner)
    albedo, gloss, label = np.zeros((count, 3), np.float32), np.zeros(count, np.float32), np.zeros(count, np.uint8)
    normal = normalise(mix(normals, corners, shares))
    return Surface(corners, shares, owner, part, albedo, gloss, label, np.zeros_like(gloss), normal), uv


def _paint_body(figure: Figure, surface: Surface, uv: np.ndarray) -> None:
    model, body = figure.model, np.flatnonzero(surface.part == BODY)
    rest = mix(figure.mesh.points, surface.corners[body], surface.shares[body])
    painted = paint_body(model.person, model.looks, rest, uv[body], model.shape.years)
    surface.albedo[body], surface.gloss[body], surface.label[body] = painted
    surface.skin[body] = 1
    below = figure.clothes.measure(rest)
    dressed, covered = body[below > 0], below > 0
    surface.albedo[dressed], surface.gloss[dressed] = figure.clothes.paint(rest[covered], below[covered]), 0.1
    surface.label[dressed], surface.skin[dressed] = labels.CLOTH, 0


def _paint_eyes(figure: Figure, surface: Surface) -> None:
    forward = normalise(figure.gaze)
    right = normalise(np.cross((0, 1, 0), forward))
    for eye, mark in ((RIGHT_EYE, labels.LEFT_EYE), (LEFT_EYE, labels.RIGHT_EYE)):
        chosen = surface.part == eye
        if chosen.any():
            rest = mix(figure.rest, surface.corners[chosen], surface.shares[chosen])
            out = normalise(rest - figure.rest[list_part(eye)].mean(axis=0))
            away = np.arccos((out @ forward).clip(-1, 1))
            around = np.arctan2(out @ np.cross(forward, right), out @ right)
            surface.albedo[chosen] = paint_eye(figure.model.looks, away, around, out[:, 1])
            surface.normal[chosen] = figure.pose.turn_normals(out, np.ones(len(out)))
            surface.gloss[chosen], surface.label[chosen] = -1, mark


def _paint_mouth(surface: Surface) -> None:
    for parts, colour in ((TEETH, TEETH_COLOUR), ((TONGUE,), TONGUE_COLOUR)):
        chosen = np.isin(surface.part, parts)
        surface.albedo[chosen], surface.gloss[chosen], surface.label[chosen] = colour, 0.8, labels.MOUTH


def _paint_pieces(figure: Figure, surface: Surface) -> None:
    for number, piece in enumerate(figure.pieces):
        chosen = (surface.owner == 2 * number + 1) | (surface.owner == 2 * number + 2)
        if chosen.any():
            corners = surface.corners[chosen] - figure.starts[number]
            surface.albedo[chosen] = mix(piece.colours, corners, surface.shares[chosen])
            surface.gloss[chosen], surface.label[chosen] = piece.gloss, piece.label
