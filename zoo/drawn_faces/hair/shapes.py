"""Parts that hairstyles are made of, in head coordinates."""

from dataclasses import dataclass, field

import numpy as np

from ..drawing.curves import mirror, ripple, smooth


@dataclass(frozen=True, eq=False)
class HairShapes:
    """Outlines [N, 2] of hair behind the neck, of locks over the clothes, and of hair over the forehead.

    flow: how strands run over the front: "part", "up", "curl" or "none". sheer: how much skin shows through, 0..1.
    covered: sides, -1 left and 1 right, on which the ear is under the hair.
    """

    front: list[np.ndarray] = field(default_factory=list)
    back: list[np.ndarray] = field(default_factory=list)
    locks: list[np.ndarray] = field(default_factory=list)
    flow: str = "part"
    sheer: float = 0.0
    covered: tuple[int, ...] = ()


def trace_cap(volume: float, line, low=(0.80, 0.10), bumps: float = 0, height: float = 0.0, tucked=0) -> np.ndarray:
    """From beside one ear over the skull to the other, and back along the hairline.

    low: the end beside an ear; tucked: the side where the hair goes behind the ear, 0 for none.
    """
    half = [
        (0, -0.99 - volume),
        (0.34 + 0.3 * volume, -0.93 - 0.85 * volume),
        (0.60 + 0.6 * volume, -0.73 - 0.55 * volume),
    ]
    half += [(0.745 + 0.55 * volume, -0.34 - 0.15 * volume)]
    left, right = ([*half, (0.80, 0.04) if side == tucked else low] for side in (-1, 1))
    outer = smooth([*mirror(left)[:-1], *right], closed=False)
    line = np.asarray(line, dtype=np.float64)
    line = smooth(line if line[-1, 0] < -0.1 else [*line[:-1], *mirror(line)], closed=False)
    if bumps:
        outer = ripple(outer, bumps, height, rounded=True)
        line = ripple(line, bumps * 0.7, height * 0.8, rounded=True)
    return np.concatenate([outer, line])


def trace_curtain(length: float, wide: float, waves: float = 0, height: float = 0.0) -> np.ndarray:
    """Hair that hangs behind the neck, down to y = length."""
    half = [(0.42, -0.98), (0.76, -0.60), (wide * 0.97, 0.0), (wide, length * 0.6), (wide * 0.92, length)]
    side = smooth(half, closed=False)
    if waves:
        side = ripple(side, waves, height)
    floor = smooth([side[-1], (0.3, length + 0.05), (-0.3, length + 0.05), mirror(side)[0]], closed=False)
    return np.concatenate([side, floor[1:-1], mirror(side)])


def trace_locks(length: float, wide: float, waves: float = 0) -> list[np.ndarray]:
    outer = smooth([(0.62, -0.4), (wide * 0.98, 0.2), (wide * 1.03, 0.9), (wide * 0.90, length - 0.1)], closed=False)
    inner = smooth([(wide * 0.66, length), (0.47, 1.25), (0.50, 0.8), (0.5, 0.2)], closed=False)
    if waves:
        outer, inner = ripple(outer, waves, 0.11), ripple(inner, waves * 0.8, 0.09)
    right = np.concatenate([outer, inner])
    return [right, mirror(right)]
