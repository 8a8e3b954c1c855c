"""Smooth outlines: points are float arrays [N, 2], x to the right and y down, in any unit."""

import numpy as np


def smooth(points, closed: bool = True, steps: int = 6) -> np.ndarray:
    """A Catmull-Rom curve through points [N, 2]: [N * steps, 2] when closed, else [(N - 1) * steps + 1, 2]."""
    points = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (padded[k : len(padded) - 3 + k, None] for k in range(4))
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def mirror(points) -> np.ndarray:
    """The other half of a symmetric outline, in reversed order."""
    return (np.asarray(points, dtype=np.float64) * [-1, 1])[::-1]


def close_half(points) -> np.ndarray:
    """A symmetric smooth outline from its right half, whose first and last point lie on the middle line."""
    points = np.asarray(points, dtype=np.float64)
    return smooth(np.concatenate([points, mirror(points)[1:-1]]))


def shift(points, x: float, y: float) -> np.ndarray:
    return np.asarray(points, dtype=np.float64) + np.array([x, y])


def make_ellipse(centre, radii, count: int = 28) -> np.ndarray:
    angles = np.arange(count) * (2 * np.pi / count)
    return np.asarray(centre) + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii


def thicken(points, width, taper: str = "both") -> np.ndarray:
    """The outlines of brush strokes along lines [..., N, 2]: [..., 2 * N, 2].

    width: a number or [...]. taper: "both" ends, "end", or "none".
    """
    points = np.asarray(points, dtype=np.float64)
    t = np.linspace(0, 1, points.shape[-2])
    profile = {"both": np.sqrt(np.sin(np.pi * t).clip(0)), "end": np.sqrt(1 - t), "none": np.ones(len(t))}[taper]
    offset = _find_normals(points) * (np.asarray(width)[..., None] * profile / 2)[..., None]
    return np.concatenate([points + offset, (points - offset)[..., ::-1, :]], axis=-2)


def ripple(points, count: float, height: float, rounded: bool = False) -> np.ndarray:
    """A line with waves across it: `count` waves of the given height; rounded: bumps to its left side only."""
    points = _space_evenly(points, max(len(points), int(count * 7) + 1))
    phase = np.linspace(0, np.pi * count, len(points))
    waves = np.abs(np.sin(phase)) if rounded else np.sin(2 * phase) * 0.5
    return points + _find_normals(points) * (waves * height)[:, None]


def _space_evenly(points, count: int) -> np.ndarray:
    points = np.asarray(points, dtype=np.float64)
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    wanted = np.linspace(0, lengths[-1], count)
    return np.stack([np.interp(wanted, lengths, points[:, axis]) for axis in (0, 1)], axis=1)


def _find_normals(points: np.ndarray) -> np.ndarray:
    along = np.empty_like(points)
    along[..., 1:-1, :] = points[..., 2:, :] - points[..., :-2, :]
    along[..., 0, :] = points[..., 1, :] - points[..., 0, :]
    along[..., -1, :] = points[..., -1, :] - points[..., -2, :]
    length = np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-9)
    return np.stack([along[..., 1], -along[..., 0]], axis=-1) / length[..., None]
