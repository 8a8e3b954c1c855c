"""How much of each pixel a shape covers.

Written here because the polygons of OpenCV, Pillow and others differ from version to version, and a seed must always
give the same picture.
"""

import numpy as np

LINES = 4
"""Lines in a row of pixels on which the shape's edges are found."""


def measure_cover(outlines, low: np.ndarray, width: int, height: int) -> np.ndarray:
    """Outlines [N, 2] in pixels -> float32 [height, width], 0..1, of the window whose corner is `low`.

    Exact along a line. Where outlines overlap they count once if they turn the same way round, and cancel out if not.
    """
    starts = np.concatenate(outlines) - low
    ends = np.concatenate([np.roll(outline, -1, axis=0) for outline in outlines]) - low
    row, column, sign = _find_crossings(starts * [1, LINES], ends * [1, LINES], width, height * LINES)
    left = np.floor(column).astype(np.int64)
    share, stride = column - left, width + 2
    places = np.concatenate([row * stride + left, row * stride + left + 1])
    steps = np.bincount(places, np.concatenate([sign * (1 - share), sign * share]), height * LINES * stride)
    winding = np.cumsum(steps.reshape(height, LINES, stride), axis=2, dtype=np.float32)[..., :width]
    cover = np.minimum(np.abs(winding), 1)
    return sum(cover[:, line] for line in range(LINES)) / np.float32(LINES)


def _find_crossings(starts: np.ndarray, ends: np.ndarray, width: int, lines: int):
    """Where edges cross the middles of lines: line, x within the window, and 1 for downwards or -1 for upwards."""
    (x0, y0), (x1, y1) = starts.T, ends.T
    first = np.ceil(np.minimum(y0, y1) - 0.5).clip(0, lines).astype(np.int64)
    count = np.ceil(np.maximum(y0, y1) - 0.5).clip(0, lines).astype(np.int64) - first
    edge = np.repeat(np.arange(len(count)), count)
    row = first[edge] + np.arange(len(edge)) - (np.cumsum(count) - count)[edge]
    slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    column = (x0[edge] + (row + 0.5 - y0[edge]) * slope[edge]).clip(0, width)
    return row, column, np.where(y1 > y0, 1.0, -1.0)[edge]
