"""Hats, turned on a lathe."""

import numpy as np

from zoo.drawn_faces import Scene
from zoo.drawn_faces.drawing import labels
from zoo.drawn_faces.palette import FABRIC

from .assets import load_base_mesh
from .colour import decode
from .piece import Piece, lay_grid
from .strands import Strands

HATS = {
    "beanie": np.array([1.06, 1.12, 1.13, 1.08, 1.06, 0.9, 0.5, 0, 0.08, 0.12, 0.40, 0.45, 0.75, 1.12, 1.40, 1.5]),
    "cap": np.array([1.06, 1.07, 1.04, 0.88, 0.5, 0, 0.30, 0.45, 0.80, 1.12, 1.32, 1.40]),
    "top hat": np.array([1.75, 1.72, 1.08, 1.05, 1.02, 1.08, 1.05, 0, 0.46, 0.50, 0.44, 0.6, 1.6, 2.2, 2.25, 2.25]),
    "straw hat": np.array([2.1, 2.05, 1.08, 1.05, 0.98, 0.7, 0, 0.30, 0.36, 0.46, 0.7, 1.2, 1.40, 1.42]),
    "party hat": np.array([0.62, 0.6, 0.4, 0.2, 0.02, 0, 1.10, 1.12, 1.75, 2.3, 2.9, 2.9]),
    "crown": np.array([1.05, 1.06, 1.08, 1.1, 0.62, 0.64, 0.9, 1.2]),
}
"""Profiles, half widths and then heights from the rim to the top, in the head's half widths."""


def put_on_hat(scene: Scene, points: np.ndarray, seed: int) -> list[Piece]:
    if scene.hat not in HATS:
        return []
    rng = np.random.default_rng([seed, 108])
    mesh = load_base_mesh()
    skull = points[(mesh.points[:, 1] > 7.6) & (mesh.points[:, 1] < 8.1)]
    low, high = skull.min(axis=0), skull.max(axis=0)
    middle, wide, deep = (low + high) / 2, (high - low)[0] / 2 + 0.06, (high - low)[2] / 2 + 0.06
    profile = HATS[scene.hat].reshape(2, -1).T
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    height = 7.38 + (profile[:, 1] + rng.uniform(-0.06, 0.08)) * 0.74
    radius = profile[:, :1] * np.ones_like(around)
    if scene.hat == "crown":
        height = np.repeat(height[:, None], 48, axis=1)
        height[-1] -= 0.25 * (np.arange(48) % 8 / 4 - 1).__abs__()
    else:
        height = np.repeat(height[:, None], 48, axis=1)
    tilt = rng.uniform(-0.15, 0.05) if scene.hat != "party hat" else rng.uniform(-0.1, 0.2)
    lifted = points[mesh.points[:, 1] > 7.8][:, 1].max() - 8.49
    grid = np.stack([radius * wide * np.sin(around), height + lifted - tilt * radius * np.cos(around) * 0.4,
                     middle[2] + radius * deep * np.cos(around)], axis=2)  # fmt: skip
    plain = {"crown": (212, 170, 60), "straw hat": (214, 184, 120), "top hat": None}
    colour = decode(plain.get(scene.hat) or FABRIC[scene.hat_colour]) * rng.uniform(0.55, 1.0)
    flat = grid.reshape(-1, 3)
    ribs = 1 + 0.12 * np.sin(np.tile(around, len(profile)) * 24) * (scene.hat == "beanie")
    colours = colour * ribs[:, None] * np.ones((len(flat), 3))
    gloss = 2.0 if scene.hat == "crown" else 0.15
    pieces = [Piece(flat, np.ones(len(flat)), lay_grid(grid), colours, labels.HAT, gloss)]
    if scene.hat == "cap":
        pieces.append(_add_visor(colour, wide, deep, middle, height[0, 0] + lifted, rng))
    return pieces


def _add_visor(colour, wide, deep, middle, height, rng) -> Piece:
    angle = np.linspace(-1.15, 1.15, 17)
    reach = np.linspace(0, 1, 6)[:, None]
    length = rng.uniform(0.5, 0.75) * np.cos(angle * 1.2).clip(0, None) ** 0.5
    grid = np.stack([(1.06 + 0.02 * reach) * wide * np.sin(angle) + 0 * reach,
                     height + 0.02 - 0.22 * reach * np.cos(angle) - 0.10 * (1 - np.cos(angle)),
                     middle[2] + 1.06 * deep * np.cos(angle) + reach * length], axis=2)  # fmt: skip
    flat = grid.reshape(-1, 3)
    colours = np.repeat((colour * 0.9)[None], len(flat), axis=0)
    return Piece(flat, np.ones(len(flat)), lay_grid(grid, closed=False), colours, labels.HAT, 0.2)


def flatten_hair(grown: Strands, hat: str) -> Strands:
    """Hair under a hat: what stands higher than its rim is not seen."""
    if hat not in HATS or hat in ("crown", "party hat"):
        return grown
    rim = 7.38 + HATS[hat].reshape(2, -1)[1, 0] * 0.74 + 0.12
    low = grown.points[:, 0, 1] < rim
    points = grown.points[low].copy()
    high = points[..., 1] > rim
    points[high] = np.repeat(points[:, :1], points.shape[1], axis=1)[high]
    return Strands(points, grown.shades[low], grown.width)
