"""The landmarks picture that landmark ControlNets (InstantID) were trained on."""

import math

import numpy as np

from .face import Face

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))  # eyes, nose, mouth corners
NOSE = 2
DRAWN_PX = 1024  # the shorter side of the pictures they were trained on; there the sizes below hold
DOT_RADIUS_PX = 10
STICK_RADIUS_PX = 4
STICK_BRIGHTNESS = 0.6


def draw_landmarks(height: int, width: int, faces: list[Face]) -> np.ndarray:
    """RGB uint8 [height, width, 3]: per face five dots, each joined to the nose, on black.

    Dots and sticks grow with the picture. A face without landmarks is left out.
    """
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    scale = min(height, width) / DRAWN_PX
    dot, stick = (max(1, round(px * scale)) for px in (DOT_RADIUS_PX, STICK_RADIUS_PX))
    known = [face.landmarks for face in faces if face.landmarks is not None]
    for points in known:
        for point, colour in zip(points, COLOURS, strict=True):
            dim = tuple(int(value * STICK_BRIGHTNESS) for value in colour)
            _draw_ellipse(picture, (point + points[NOSE]) / 2, point - points[NOSE], stick, dim)
    for points in known:
        for point, colour in zip(points, COLOURS, strict=True):
            _draw_ellipse(picture, point, np.array([2.0 * dot, 0.0]), dot, colour)
    return picture


def _draw_ellipse(picture: np.ndarray, middle, along, radius_px: int, colour) -> None:
    """Fill an ellipse as long as `along` [2] and radius_px to each side of it."""
    half = math.hypot(*along) / 2
    if not int(half):
        return
    reach = max(int(half), radius_px)
    rows, columns = (slice(max(0, int(place) - reach), max(0, int(place) + reach + 1)) for place in middle[::-1])
    y = np.arange(picture.shape[0])[rows, None] - int(middle[1])
    x = np.arange(picture.shape[1])[None, columns] - int(middle[0])
    turned = (x * along[0] + y * along[1]) / (2 * half), (y * along[0] - x * along[1]) / (2 * half)
    picture[rows, columns][(turned[0] / int(half)) ** 2 + (turned[1] / radius_px) ** 2 <= 1] = colour
