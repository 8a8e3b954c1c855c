"""A rasteriser with a depth buffer in NumPy: triangles and hairs -> what is seen in every pixel."""

from dataclasses import dataclass

import numpy as np

SPANS = (2, 3, 5, 8, 12, 20, 40, 90, 200, 700)
"""Triangles are drawn together whose boxes have at most so many pixels a side."""
NOTHING = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
FAR = 1e3


@dataclass(frozen=True, eq=False)
class Seen:
    """pixels: [P], places in the picture's rows, one after the other. triangles: [P]. shares: [P, 3] of corners.
    depths: [P], away from the eye.
    """

    pixels: np.ndarray
    triangles: np.ndarray
    shares: np.ndarray
    depths: np.ndarray


def rasterise(points: np.ndarray, triangles: np.ndarray, side: int, culled: bool = True) -> Seen:
    """What is seen of triangles [T, 3] of points [V, 3]: x right and y down in pixels, and depth, in front where small.

    culled: triangles are seen from their front only, where their corners go round against the clock. shares are those
    of the corners in space, not in the picture.
    """
    corners = points[triangles].astype(np.float32)
    xy = corners[..., :2]
    edge = xy[:, 1:] - xy[:, :1]
    areas = edge[:, 0, 0] * edge[:, 1, 1] - edge[:, 0, 1] * edge[:, 1, 0]
    low = np.ceil(xy.min(axis=1) - 0.5).clip(0, side).astype(np.int32)
    high = np.floor(xy.max(axis=1) - 0.5).clip(-1, side - 1).astype(np.int32)
    spans = (high - low + 1).min(axis=1), (high - low + 1).max(axis=1)
    drawn = (spans[0] > 0) & (corners[..., 2].min(axis=1) > 0) & ((areas < -1e-6) if culled else (abs(areas) > 1e-6))
    found, least = [], 0
    for span in SPANS:
        chosen = np.flatnonzero(drawn & (spans[1] > least) & (spans[1] <= span))
        least = span
        rows = max(1, 4_000_000 // (span * span))
        found += [
            _cover(corners[part], areas[part], low[part], high[part], span, part, side)
            for part in np.split(chosen, range(rows, len(chosen), rows))
            if len(part)
        ]
    if not found:
        return Seen(
            *(np.zeros((0, *shape), kind) for shape, kind in (((), int), ((), int), ((3,), float), ((), float)))
        )
    pixels, owners, shares, depths = (np.concatenate(column) for column in zip(*found, strict=True))
    first = keep_nearest(pixels, depths, side)
    weighted = shares[first] / corners[owners[first]][..., 2]
    return Seen(pixels[first], owners[first], weighted / weighted.sum(axis=1, keepdims=True), depths[first])


def keep_nearest(pixels: np.ndarray, depths: np.ndarray, side: int) -> np.ndarray:
    """Which of the fragments at `pixels` [N] are seen: one for every pixel that has any, in the order of pixels."""
    keys = depths.astype(np.float32).view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(pixels), dtype=np.uint64)
    nearest = np.full(side * side, NOTHING)
    np.minimum.at(nearest, pixels, keys)
    return (nearest[nearest != NOTHING] & np.uint64(0xFFFF_FFFF)).astype(np.int64)


def _cover(corners, areas, low, high, span: int, owners, side: int):
    """Pixels inside some triangles of one size: their places, owners, shares of corners and depths."""
    across = low[:, :1] + np.arange(span, dtype=np.int32)
    down = low[:, 1:] + np.arange(span, dtype=np.int32)
    x = (across + np.float32(0.5))[:, None, :]
    y = (down + np.float32(0.5))[:, :, None]
    inside = (across <= high[:, :1])[:, None, :] & (down <= high[:, 1:])[:, :, None]
    shares = []
    for first, second in ((1, 2), (2, 0)):
        (x0, y0), (x1, y1) = corners[:, first, :2].T, corners[:, second, :2].T
        scale = 1 / areas
        share = ((x1 - x0) * scale)[:, None, None] * (y - y0[:, None, None])
        share = share - ((y1 - y0) * scale)[:, None, None] * (x - x0[:, None, None])
        inside &= share >= 0
        shares.append(share)
    inside &= shares[0] + shares[1] <= 1
    number, row, column = np.nonzero(inside)
    first, second = (share[inside] for share in shares)
    shares = np.stack([first, second, 1 - first - second], axis=1)
    depths = 1 / (shares / corners[number, :, 2]).sum(axis=1)
    pixels = down[number, row].astype(np.int64) * side + across[number, column]
    return pixels, owners[number], shares, depths


def trace_hairs(points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hairs [N, K, 3], pixels and depth -> fragments: places in the picture, hairs, segments, shares, depths."""
    points = points.astype(np.float32)
    start, end = points[:, :-1], points[:, 1:]
    length = abs(end[..., :2] - start[..., :2]).max(axis=-1)
    middle = (start + end)[..., :2] / 2
    near = ((middle > -20) & (middle < side + 20)).all(axis=-1) & (start[..., 2] > 0) & (end[..., 2] > 0)
    count = np.where(near, np.ceil(length * 1.1).clip(1, 60), 0).astype(np.int32).ravel()
    segment = np.repeat(np.arange(count.size), count)
    within = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    share = ((within + 0.5) / count[segment]).astype(np.float32)
    places = [
        start[..., axis].ravel()[segment] + (end - start)[..., axis].ravel()[segment] * share for axis in range(3)
    ]
    x, y = (place.astype(np.int32) for place in places[:2])
    kept = np.flatnonzero((places[0] >= 0) & (places[1] >= 0) & (x < side) & (y < side))
    hair, part = np.divmod(segment[kept], points.shape[1] - 1)
    return (y[kept] * side + x[kept]).astype(np.int64), hair, part, share[kept], places[2][kept]
