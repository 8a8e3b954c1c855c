"""Light: a sky, soft lamps around, and a sun; and how much of it reaches the parts of a head."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .assets import PARTS, load_base_mesh
from .raster import rasterise

DIRECTIONS = 48
BIAS = 0.06
TINTS = {
    "daylight": (1.0, 1.0, 1.0),
    "warm": (1.22, 1.0, 0.72),
    "cool": (0.86, 1.0, 1.2),
    "evening": (1.25, 0.9, 0.72),
}


@dataclass(frozen=True, eq=False)
class Light:
    """axes [L, 3], sharpness [L] and colours [L, 3] of lamps, exp(sharpness * (cosine - 1)); above and below: of the
    sky and the ground; sun: where it stands, sun_colour: what it gives.
    """

    axes: np.ndarray
    sharpness: np.ndarray
    colours: np.ndarray
    above: np.ndarray
    below: np.ndarray
    sun: np.ndarray
    sun_colour: np.ndarray

    def look(self, directions: np.ndarray, sharpest: float = np.inf) -> np.ndarray:
        """Light [N, 3] from directions [N, 3], seen in a surface that blurs all lamps that are sharper."""
        up = (0.5 + 0.5 * directions[:, 1:2]).astype(np.float32)
        light = self.below + up * (self.above - self.below)
        blurred = np.minimum(self.sharpness, sharpest)
        lobes = np.exp(blurred * (directions @ self.axes.T - 1)) * (blurred / self.sharpness)
        return light + lobes @ self.colours


def choose_light(rng: np.random.Generator, kind: str, side: int) -> Light:
    """kind: a light of zoo.drawn_faces.scene.LIGHTS. side: where the sun stands, -1 left or 1 right."""
    tint = np.array(TINTS[kind]) * np.exp(rng.normal(0, 0.06, 3))
    count = int(rng.integers(1, 5))
    axes = rng.normal(0, 1, (count, 3)) * (1, 0.5, 0.6) + (0, 0.45, 0.5)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    sharpness = np.exp(rng.uniform(np.log(3), np.log(40), count))
    colours = rng.uniform(0.3, 2.2, (count, 1)) * tint * np.exp(rng.normal(0, 0.1, (count, 3)))
    sky = rng.uniform(0.15, 0.9)
    above = sky * tint * np.exp(rng.normal(0, 0.12, 3))
    below = above * rng.uniform(0.15, 0.8) * np.exp(rng.normal(0, 0.12, 3))
    sun = np.array([side * rng.uniform(0.0, 1.6), rng.uniform(-0.1, 1.4), rng.uniform(0.05, 1.0)])
    strength = rng.choice((0.0, 0.5, 1.2, 2.4), p=(0.3, 0.3, 0.25, 0.15)) * rng.uniform(0.6, 1.2)
    colour = strength * tint * ((1.15, 1.0, 0.82) if rng.random() < 0.5 else (1, 1, 1))
    parts = (axes, sharpness, colours, above, below, sun / np.linalg.norm(sun), colour)
    return Light(*(np.asarray(part, dtype=np.float32) for part in parts))


@cache
def spread_directions() -> np.ndarray:
    """DIRECTIONS places on a sphere, evenly, as a spiral."""
    number = np.arange(DIRECTIONS) + 0.5
    height = 1 - 2 * number / DIRECTIONS
    angle = np.pi * (1 + 5**0.5) * number
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1).astype(np.float32)


@cache
def measure_visibility() -> np.ndarray:
    """How much of each direction's light comes to each vertex of the base mesh, [V, DIRECTIONS], 0..1."""
    mesh = load_base_mesh()
    shown = mesh.triangles[~np.isin(mesh.parts, [PARTS.index(part) for part in PARTS if "lashes" in part])]
    seen = [trace_shadow(mesh.points, shown, direction, 400, 5.0)(mesh.points) for direction in spread_directions()]
    visible = np.stack(seen, axis=1).astype(np.float32)
    # The mouth of the base mesh is shut; an open one gets light.
    for part, least in (("helper-upper-teeth", 0.45), ("helper-lower-teeth", 0.35), ("helper-tongue", 0.25)):
        vertices = np.unique(mesh.triangles[mesh.parts == PARTS.index(part)])
        visible[vertices] = np.maximum(visible[vertices], least)
    return visible


def trace_shadow(points: np.ndarray, triangles: np.ndarray, towards: np.ndarray, side: int, lowest: float, extra=None):
    """A function that tells of places [N, 3] whether light from a direction comes there, 0..1.

    lowest: what lies lower is left out. extra: more places [N, 3] that cast a shadow, like hairs.
    """
    across = np.cross(towards, (0, 1, 0) if abs(towards[1]) < 0.9 else (1, 0, 0))
    across /= np.linalg.norm(across)
    frame = np.stack([across, np.cross(across, towards), -towards])
    used = points[np.unique(triangles)]
    used = used[used[:, 1] > lowest] @ frame.T
    low, high = used.min(axis=0), used.max(axis=0)
    scale = (side - 8) / (high - low)[:2].max()

    def project(places: np.ndarray) -> np.ndarray:
        turned = places @ frame.T
        return np.concatenate([(turned[:, :2] - low[:2]) * scale + 4, turned[:, 2:] + 50], axis=1)

    nearest = np.full(side * side, 1e6, np.float32)
    seen = rasterise(project(points), triangles, side, culled=False)
    nearest[seen.pixels] = seen.depths
    if extra is not None and len(extra):
        drawn = project(extra)
        inside = ((drawn[:, :2] >= 1) & (drawn[:, :2] < side - 1)).all(axis=1)
        cells = drawn[inside].astype(np.int64)
        for step in (0, 1, side, side + 1):
            np.minimum.at(nearest, cells[:, 1] * side + cells[:, 0] + step, drawn[inside, 2].astype(np.float32))
    depths = nearest.reshape(side, side)

    def reach(places: np.ndarray) -> np.ndarray:
        drawn = project(places)
        lit = np.zeros(len(places), np.float32)
        for x, y in ((-0.7, -0.7), (0.7, -0.7), (-0.7, 0.7), (0.7, 0.7)):
            columns = (drawn[:, 0] + x).clip(0, side - 1).astype(np.int32)
            rows = (drawn[:, 1] + y).clip(0, side - 1).astype(np.int32)
            lit += drawn[:, 2] - BIAS < depths[rows, columns]
        return lit / 4

    return reach
