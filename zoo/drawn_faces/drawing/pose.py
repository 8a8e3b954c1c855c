"""From head coordinates to pixels.

Head coordinates: (0, 0) between the eyes, x to the right of the picture, y down, z towards the viewer. The chin is
near y = 1, the top of the skull near y = -0.95, the cheeks near x = -0.73 and 0.73.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

DEPTH = 0.52
NECK = np.array([0.0, 0.95])


@dataclass(frozen=True)
class Pose:
    """yaw, pitch, roll in degrees: positive turns to the right of the picture, up, and clockwise.

    scale_px: pixels per unit; centre_px: (x, y) of the eyes' middle of an upright head.
    """

    yaw: float
    pitch: float
    roll: float
    scale_px: float
    centre_px: tuple[float, float]

    def place_feature(self, points: ArrayLike, lift: float = 0.0) -> np.ndarray:
        """Points [N, 2] on the front of the face, `lift` above it -> pixels [N, 2]."""
        points = np.asarray(points, dtype=np.float64)
        x, y = points.T
        z = DEPTH * np.sqrt((1 - (x / 0.95) ** 2 - (y / 1.4) ** 2).clip(0.02)) + lift
        yaw, pitch = np.radians([self.yaw, self.pitch])
        turned = np.stack([x * np.cos(yaw) + z * np.sin(yaw), y * np.cos(pitch) - z * np.sin(pitch)], axis=1)
        return self._place(turned)

    def place_outline(self, points: ArrayLike, depth: ArrayLike = 0.0) -> np.ndarray:
        """Points [N, 2] on an outline of the head, which keeps its width when it turns -> pixels [N, 2].

        depth: z of each point, a number or [N].
        """
        points = np.asarray(points, dtype=np.float64)
        yaw, pitch = np.radians([self.yaw, self.pitch])
        depth = np.broadcast_to(np.asarray(depth, dtype=np.float64), len(points))
        return self._place(points + np.stack([depth * np.sin(yaw), -depth * np.sin(pitch)], axis=1))

    def place_body(self, points: ArrayLike) -> np.ndarray:
        """Points [N, 2] that do not move with the head -> pixels [N, 2]."""
        return np.asarray(points, dtype=np.float64) * self.scale_px + self.centre_px

    def _place(self, points: np.ndarray) -> np.ndarray:
        roll = np.radians(self.roll)
        turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        return self.place_body((points - NECK) @ turn + NECK)
