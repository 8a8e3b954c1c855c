"""Glasses, bent from wire or plastic."""

import numpy as np

from zoo.drawn_faces import Person
from zoo.drawn_faces.drawing import labels

from .assets import load_base_mesh
from .colour import decode
from .piece import Piece, lay_grid


def put_on_glasses(person: Person, points: np.ndarray, eyes: np.ndarray, seed: int) -> list[Piece]:
    """A frame of wire or plastic in front of the eyes [2, 3], the left of the picture first."""
    if person.glasses == "none":
        return []
    rng = np.random.default_rng([seed, 109])
    thick = rng.choice((0.014, 0.022, 0.04))
    frames = ((30, 26, 26), (60, 36, 22), (120, 90, 60), (150, 150, 155), (170, 130, 60), (90, 30, 30), (40, 50, 90))
    colour = decode(frames[int(rng.integers(len(frames)))])
    half = abs(eyes[1, 0] - eyes[0, 0]) / 2
    base = load_base_mesh().points
    bridge = points[(abs(base[:, 0]) < 0.05) & (abs(base[:, 1] - 7.22) < 0.05)]
    z = bridge[:, 2].max() + 0.06
    y = eyes[:, 1].mean() + rng.uniform(-0.06, 0.02)
    wide, high = half * rng.uniform(0.70, 0.80), half * rng.uniform(0.52, 0.75)
    around = np.linspace(0, 2 * np.pi, 33)
    power = 2.0 if person.glasses == "round" else rng.uniform(3.5, 7)
    if person.glasses == "round":
        high = wide * rng.uniform(0.88, 1.0)
    cosine, sine = np.cos(around), np.sin(around)
    lens = np.stack(
        [wide * np.sign(cosine) * abs(cosine) ** (2 / power), high * np.sign(sine) * abs(sine) ** (2 / power)], 1
    )
    wires = []
    for eye in (-1, 1):
        x = eye * half + lens[:, 0]
        wires.append(np.stack([x, y + lens[:, 1], z - 0.10 * (abs(x) / 0.5) ** 2], axis=1))
        outer = eye * (half + wide)
        ear = np.median(points[(base[:, 0] * eye > 0.72) & (abs(base[:, 1] - 7.3) < 0.06)], axis=0)
        hinge = (outer, y + 0.4 * high, z - 0.10 * (abs(outer) / 0.5) ** 2)
        wires.append(np.array([hinge, ear * (1.03, 1, 1) + (0, 0.03, 0.25), ear - (0, 0.02, 0.05)]))
    inner = half - wide
    arch = np.linspace(-1, 1, 7)
    wires.append(np.stack([arch * inner, y + 0.25 * high + 0.05 * (1 - arch**2), z + 0.02 + 0 * arch], axis=1))
    return [_bend(wire, thick * (1 if number % 2 == 0 else 0.8), colour) for number, wire in enumerate(wires)]


def _bend(wire: np.ndarray, thick: float, colour: np.ndarray) -> Piece:
    """A tube around a line of places [N, 3]."""
    along = np.gradient(wire, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.cross(along, (0.1, 0.2, 1.0))
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    third = np.cross(along, across)
    angle = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * third[:, None]
    grid = wire[:, None] + thick * ring
    flat = grid.reshape(-1, 3)
    return Piece(flat, np.ones(len(flat)), lay_grid(grid), np.repeat(colour[None], len(flat), 0), labels.GLASSES, 1.5)
