"""The room that a body takes, for hair to stay outside."""

import numpy as np

from .assets import load_base_mesh
from .regions import HEAD_CENTRE

CELLS = 48
"""Of the map of how far the body reaches, around and up."""


class Body:
    """How far head and shoulders reach from an upright line through the neck, so that hair stays outside."""

    def __init__(self, points: np.ndarray):
        mesh = load_base_mesh()
        outer = points[np.unique(mesh.triangles[mesh.parts == 0])]
        base = mesh.points[np.unique(mesh.triangles[mesh.parts == 0])]
        outer = outer[(base[:, 1] > 4.5)]
        self.centre = HEAD_CENTRE + (points - mesh.points)[mesh.follow > 0.99].mean(axis=0)
        self.lowest = outer[:, 1].min()
        self.globe = self._gather(*self._to_globe(outer[outer[:, 1] > self.centre[1] - 0.6]))
        self.column = self._gather(*self._to_column(outer))

    def _to_globe(self, places: np.ndarray):
        offset = places - self.centre
        radius = np.linalg.norm(offset, axis=1) + 1e-9
        around = np.arctan2(offset[:, 0], offset[:, 2]) / (2 * np.pi) + 0.5
        return around, np.arccos((offset[:, 1] / radius).clip(-1, 1)) / np.pi, radius

    def _to_column(self, places: np.ndarray):
        x, z = places[:, 0], places[:, 2] - self.centre[2]
        up = (self.centre[1] + 1.5 - places[:, 1]) / (self.centre[1] + 1.5 - self.lowest)
        return np.arctan2(x, z) / (2 * np.pi) + 0.5, up.clip(0, 0.999), np.hypot(x, z)

    @staticmethod
    def _gather(around, up, radius) -> np.ndarray:
        from scipy.ndimage import gaussian_filter, maximum_filter

        reach = np.zeros((CELLS, CELLS))
        cells = (around * CELLS).astype(int) % CELLS, (up * CELLS).astype(int).clip(0, CELLS - 1)
        np.maximum.at(reach, cells, radius)
        reach = np.pad(reach, ((4, 4), (0, 0)), mode="wrap")
        for cells in (3, 5):
            reach = np.where(reach > 0, reach, maximum_filter(reach, cells, mode="nearest"))
        return gaussian_filter(reach, 0.7, mode="nearest")[4:-4]

    def push_out(self, places: np.ndarray, margin) -> np.ndarray:
        """Places [N, 3] moved to `margin` outside where they are nearer."""
        high = places[:, 1] > self.centre[1] - 0.25
        around, up, radius = self._to_globe(places)
        reach = self._read(self.globe, around, up) + margin
        scale = np.where(high & (radius < reach), reach / radius, 1)
        places = self.centre + (places - self.centre) * scale[:, None]
        around, up, radius = self._to_column(places)
        reach = self._read(self.column, around, up) + margin
        scale = np.where(~high & (radius < reach), reach / np.maximum(radius, 1e-6), 1)
        middle = np.stack([0 * radius, places[:, 1], 0 * radius + self.centre[2]], axis=1)
        return middle + (places - middle) * scale[:, None]

    @staticmethod
    def _read(reach, around, up):
        return reach[(around * CELLS).astype(int) % CELLS, (up * CELLS).astype(int).clip(0, CELLS - 1)]
