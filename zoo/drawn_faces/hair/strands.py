"""How strands run: lines [K, N, 2] in head coordinates."""

import numpy as np

from ..drawing.curves import smooth
from ..drawing.seeded_random import SeededRandom


def trace_hanging(rng: SeededRandom, outline: np.ndarray, wave: float) -> np.ndarray:
    """Lines that hang down inside the bounds of an outline; wave: how far they swing, head units."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    lines = []
    for _ in range(16):
        x, top = rng.uniform(low[0], high[0]), rng.uniform(low[1], high[1] - 0.3)
        y = np.linspace(top, top + rng.uniform(0.4, 0.9), 14)
        lines.append(np.stack([x + wave * np.sin(y * 7 + rng.uniform(0, 6)), y], axis=1))
    return np.array(lines)


def trace_curls(rng: SeededRandom, outline: np.ndarray) -> np.ndarray:
    """Open rings inside the bounds of an outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    lines = []
    for _ in range(int(46 * np.prod(high - low) ** 0.5)):
        centre = low + (high - low) * [rng.uniform(0, 1), rng.uniform(0, 1)]
        radius, angles = rng.uniform(0.05, 0.09), rng.uniform(0, 6.3) + np.linspace(0, 4.2, 9)
        lines.append(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return np.array(lines)


def trace_parted(rng: SeededRandom, part_x: float) -> np.ndarray:
    """From the parting over the skull to both sides."""
    origin = np.array([part_x, -0.97])
    lines = []
    for index in range(26):
        side = (-1, 1)[index % 2]
        end = np.array([side * rng.uniform(0.45, 0.92), rng.uniform(-0.45, 0.5)])
        bend = origin + (end - origin) * [0.62, 0.20] + np.array([side * rng.uniform(0, 0.08), 0])
        lines.append(smooth([origin, bend, end], closed=False))
    return np.array(lines)


def trace_upward(rng: SeededRandom, lean: float) -> np.ndarray:
    """From the hairline up and inwards."""
    lines = []
    for index in range(26):
        side = (-1, 1)[index % 2]
        start = np.array([side * rng.uniform(0, 0.72), rng.uniform(-0.72, -0.45)])
        end = start * [0.55, 1] + np.array([0.10 * lean, -0.62])
        bend = (start + end) / 2 + np.array([side * 0.09, -0.02])
        lines.append(smooth([start, bend, end], closed=False))
    return np.array(lines)
