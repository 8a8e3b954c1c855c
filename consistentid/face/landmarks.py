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
    import cv2

    picture = np.zeros((height, width, 3), dtype=np.uint8)
    scale = min(height, width) / DRAWN_PX
    dot, stick = (max(1, round(px * scale)) for px in (DOT_RADIUS_PX, STICK_RADIUS_PX))
    known = [face.landmarks for face in faces if face.landmarks is not None]
    for points in known:
        for point, colour in zip(points, COLOURS, strict=True):
            dx, dy = (float(value) for value in point - points[NOSE])
            middle = tuple(int(value) for value in (point + points[NOSE]) / 2)
            axes = (int(math.hypot(dx, dy) / 2), stick)
            dim = tuple(int(value * STICK_BRIGHTNESS) for value in colour)
            if axes[0]:
                cv2.ellipse(picture, middle, axes, math.degrees(math.atan2(dy, dx)), 0, 360, dim, cv2.FILLED)
    for points in known:
        for point, colour in zip(points, COLOURS, strict=True):
            cv2.circle(picture, tuple(int(value) for value in point), dot, colour, cv2.FILLED)
    return picture
