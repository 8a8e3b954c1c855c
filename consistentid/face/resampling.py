"""Pictures cut out and resized by bilinear interpolation, as OpenCV does it, without OpenCV.

Of OpenCV there are four packages that overwrite each other, and the new ones ask for NumPy 2. What is needed of it is
this: within one grey level of OpenCV 5.
"""

import numpy as np


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [H, W, C] -> uint8 [height, width, C], from the four nearest pixels, as cv2.resize."""
    places = []
    for side, wanted in ((image.shape[0], height), (image.shape[1], width)):
        place = np.clip((np.arange(wanted) + 0.5) * (side / wanted) - 0.5, 0, side - 1)
        low = np.minimum(place.astype(int), max(side - 2, 0))
        places.append((low, np.minimum(low + 1, side - 1), (place - low).astype(np.float32)))
    (top, bottom, down), (left, right, across) = places
    down, across = down[:, None, None], across[None, :, None]
    above, below = (_blend(image[row][:, left], image[row][:, right], across) for row in (top, bottom))
    return _round(_blend(above, below, down))


def warp(image: np.ndarray, matrix: np.ndarray, side_px: int) -> np.ndarray:
    """uint8 [H, W, C] -> uint8 [side_px, side_px, C], black beyond the picture, as cv2.warpAffine.

    matrix [2, 3] takes a place (x, y) of the picture to its place in the result.
    """
    inverse = np.linalg.inv(matrix[:, :2])
    y, x = np.mgrid[:side_px, :side_px]
    grid = np.stack((x, y), axis=-1)
    places = (grid - matrix[:, 2]) @ inverse.T
    low = np.floor(places).astype(int)
    x, y = low[..., 0], low[..., 1]
    across, down = np.split((places - low).astype(np.float32), 2, axis=-1)
    above, below = (_blend(_read(image, x, y + step), _read(image, x + 1, y + step), across) for step in (0, 1))
    return _round(_blend(above, below, down))


def _read(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return image[y.clip(0, height - 1), x.clip(0, width - 1)] * inside[..., None]


def _blend(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first + (second.astype(np.float32) - first) * share


def _round(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)
