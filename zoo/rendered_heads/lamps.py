"""Light on a figure: of sky and lamps with the head's own shadows, of the sun with everything's, and mirrored."""

import numpy as np

from .figure import Figure
from .light import DIRECTIONS, Light, measure_visibility, spread_directions, trace_shadow
from .mesh import find_normals, normalise

SHADOW_SIDE, LOWEST = 320, -2.2
"""Samples of the sun's view, and how far below the eyes it goes, in dm."""


class Lamps:
    def __init__(self, light: Light, figure: Figure):
        self.light, self.figure = light, figure
        self.reach = None
        if light.sun_colour.any():
            casting = np.concatenate([places.reshape(-1, 3) for places, *_ in figure.hairs])
            self.reach = trace_shadow(figure.world, figure.solid, light.sun, SHADOW_SIDE, LOWEST, casting)

    def light_vertices(self) -> tuple[np.ndarray, np.ndarray]:
        """Normals [V, 3] of all vertices and what comes to them from sky and lamps, with the bare head's shadows."""
        figure, directions = self.figure, spread_directions()
        pose, count = figure.pose, len(figure.rest)
        head = self.light.look(directions @ (pose.body @ pose.head).T.astype(np.float32))
        body = self.light.look(directions @ pose.body.T.astype(np.float32))
        facing = (figure.normals.astype(np.float32) @ directions.T).clip(0, None) * measure_visibility()
        share = figure.mesh.follow[:, None].astype(np.float32)
        arriving = [(share * (facing @ head) + (1 - share) * (facing @ body)) * (4 / DIRECTIONS)]
        normals = [find_normals(figure.world[:count], figure.mesh.triangles)]
        for piece, start in zip(figure.pieces, figure.starts, strict=False):
            points = figure.world[start : start + len(piece.points)]
            normal = find_normals(points, piece.triangles)
            normal *= np.sign((normal * (points - points.mean(axis=0))).sum(axis=1, keepdims=True) + 1e-9)
            normals.append(normal)
            arriving.append(self.look_around(normal.astype(np.float32)))
        return np.concatenate(normals), np.concatenate(arriving).astype(np.float32)

    def look_around(self, normals: np.ndarray) -> np.ndarray:
        """What comes from sky and lamps to surfaces with normals [N, 3] that nothing shades."""
        directions = spread_directions()
        return ((normals @ directions.T).clip(0, None) @ self.light.look(directions)) * (4 / DIRECTIONS)

    def see_sun(self, places: np.ndarray) -> np.ndarray:
        """How much of the sun comes to places [N, 3], 0..1."""
        return np.zeros(len(places), np.float32) if self.reach is None else self.reach(places)

    def shine_sun(self, places: np.ndarray, normals: np.ndarray) -> np.ndarray:
        facing = ((normals @ self.light.sun + 0.08) / 1.08).clip(0, None)
        lit = self.see_sun(places + normals * 0.03) * facing
        return (lit[:, None] * self.light.sun_colour).astype(np.float32)

    def reflect(self, normal, towards, sun, arriving, gloss) -> np.ndarray:
        """Shine [N, 3] of skin and cloth, and the sharp one of eyes, whose gloss is -1."""
        cosine = (normal * towards).sum(axis=1, keepdims=True).clip(0.02, 1)
        mirror = 2 * cosine * normal - towards
        fresnel = 0.03 + 0.5 * (1 - cosine) ** 5
        mean = self.light.above.mean() + self.light.below.mean() + 0.1
        open_ = (arriving.mean(axis=1, keepdims=True) / (2 * mean)).clip(0, 1)
        soft = self.light.look(mirror, 9.0) * fresnel * open_
        halfway = normalise(towards + self.light.sun)
        peak = (normal * halfway).sum(axis=1, keepdims=True).clip(0, 1) ** 28
        shine = gloss[:, None] * (soft + 0.16 * peak * sun)
        eye = gloss < 0
        if eye.any():
            sharp = self.light.look(mirror[eye], 300.0) * 0.06 * open_[eye] ** 0.5
            spark = (normal[eye] * halfway[eye]).sum(axis=1, keepdims=True).clip(0, 1) ** 900
            shine[eye] = sharp + 6 * spark * (sun[eye] > 0.01) * self.light.sun_colour
        return shine.astype(np.float32)
