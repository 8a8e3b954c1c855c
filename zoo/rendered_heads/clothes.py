"""Clothes, painted on a body that is a little thicker where they are, and collars."""

from dataclasses import dataclass

import numpy as np

from zoo.drawn_faces import Scene
from zoo.drawn_faces.drawing import labels
from zoo.drawn_faces.palette import FABRIC

from .assets import load_base_mesh
from .colour import decode
from .noise import look_up
from .piece import Piece, lay_grid


@dataclass(frozen=True)
class Clothes:
    """Clothes that follow the body: where they end, how thick they are, and their colours."""

    scene: Scene
    edge: float
    deep: float
    stripes: float
    colour: np.ndarray
    shirt: np.ndarray

    def measure(self, rest: np.ndarray) -> np.ndarray:
        """How far below the edge of the clothes places [N, 3] on the base mesh are."""
        x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        front = ((z - 0.1) / 0.3).clip(0, 1)
        edge = self.edge + 0.12 * (1 - front) - front * self.deep * (1 - (x / 0.8).clip(0, 1))
        return (edge + np.interp(x, (0.5, 0.9, 1.3), (0, 0.25, 0.8)) - y).astype(np.float32)

    def lay_over(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Points [V, 3] of a body, lifted where they are covered."""
        rest = load_base_mesh().points.astype(np.float32)
        depth = self.measure(rest)
        folds = 0.07 + 0.035 * look_up(rest * (1.2, 0.7, 1.2), 0.7, self.edge)
        return points + normals * (folds * (depth / 0.06 + 0.5).clip(0, 1) * (depth > -0.05))[:, None]

    def paint(self, rest: np.ndarray, below: np.ndarray) -> np.ndarray:
        x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        colour = np.repeat(self.colour[None], len(rest), axis=0)
        if self.scene.clothes == "striped shirt":
            colour[(y * self.stripes) % 1 < 0.5] = self.shirt
        if self.scene.clothes == "suit":
            colour = np.where(((x < 0.42 - 0.12 * (5.7 - y)) & (z > 0.3))[:, None], self.shirt, colour * 0.45)
        weave = 1 + 0.05 * look_up(rest, 8) + 0.08 * look_up(rest, 1.5)
        seam = 0.72 + 0.28 * (below / 0.05).clip(0, 1)
        return colour * (weave * seam)[:, None]


def choose_clothes(scene: Scene, seed: int) -> Clothes:
    rng = np.random.default_rng([seed, 107])
    low = {"t-shirt": 5.72, "shirt": 5.9, "suit": 5.75, "dungarees": 5.7}.get(scene.clothes, 5.85)
    deep = rng.uniform(0, 0.6) if scene.clothes in ("suit", "t-shirt", "shirt") else 0.1
    colour = decode(FABRIC[scene.clothes_colour]) * rng.uniform(0.5, 1.0)
    shirt = decode((232, 230, 228)) * rng.uniform(0.6, 0.9)
    return Clothes(scene, low + rng.uniform(-0.2, 0.1), deep, rng.uniform(3, 6), colour, shirt)


def put_on_collar(scene: Scene, points: np.ndarray, seed: int) -> list[Piece]:
    rng = np.random.default_rng([seed, 111])
    if scene.clothes not in ("hoodie", "scarf", "jumper", "shirt", "suit") or rng.random() < 0.3:
        return []
    return [_lay_collar(scene, points, rng)]


def _lay_collar(scene: Scene, points: np.ndarray, rng) -> Piece:
    """A ring around the neck: high for a scarf, wide for a hood, upright for a shirt."""
    heights = {"hoodie": (0.25, 0.28), "scarf": (0.5, 0.24), "jumper": (0.3, 0.1)}
    height, thick = heights.get(scene.clothes, (0.3, 0.09))
    around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    across = np.linspace(0, 1, 9)
    base = load_base_mesh().points
    neck = points[(abs(base[:, 1] - 5.95) < 0.25) & (abs(base[:, 0]) < 0.7)]
    centre, wide = np.median(neck, axis=0), np.percentile(abs(neck[:, 0]), 90)
    swell = np.sin(across * np.pi)[:, None]
    front = 0.5 + 0.5 * np.cos(around)[None]
    open_ = 0.0 if scene.clothes in ("scarf", "jumper") else 0.25
    radius = wide * 1.12 + thick * (swell + 0.35) + 0.25 * (1 - across)[:, None]
    radius = radius * (1 + 0.05 * rng.standard_normal((1, 40)) * (scene.clothes == "scarf"))
    y = 5.55 + height * across[:, None] - (0.28 + open_ * across[:, None]) * front + 0.1
    grid = np.stack([radius * np.sin(around), y + 0 * radius, centre[2] + 0.08 + radius * np.cos(around)], axis=2)
    colour = decode(FABRIC[scene.clothes_colour]) * 0.7 if scene.clothes != "suit" else decode((232, 232, 236)) * 0.8
    if scene.clothes == "scarf":
        colour = decode(list(FABRIC.values())[int(rng.integers(len(FABRIC)))]) * 0.7
    flat = grid.reshape(-1, 3)
    return Piece(
        flat, np.full(len(flat), 0.15), lay_grid(grid), np.repeat(colour[None], len(flat), 0), labels.CLOTH, 0.1
    )
