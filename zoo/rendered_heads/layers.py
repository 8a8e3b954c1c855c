"""What a camera sees of a figure, sample by sample: colours and light apart, until they are put together."""

import numpy as np

from zoo.drawn_faces.drawing import labels

SCATTERING = (0.055, 0.022, 0.014)
"""How far red, green and blue light goes under skin, in dm."""
CREASES = ((0.05, 3.0), (0.16, 1.3))
"""How far around places that lie deeper are dark, in dm, and how dark."""


class Layers:
    """albedo, shade, shine: [P, 3], colour, light that comes and light that is mirrored. depth: [P]. skin: [P], 1 where
    it is bare. mark: [P], labels. side: P is its square. pixel: of a sample, in dm.
    """

    def __init__(self, side: int, pixel: float):
        self.side, self.pixel = side, pixel
        self.albedo, self.shade, self.shine = (np.zeros((side * side, 3), np.float32) for _ in range(3))
        self.depth = np.full(side * side, np.inf, np.float32)
        self.skin = np.zeros(side * side, np.float32)
        self.mark = np.zeros(side * side, np.uint8)

    def compose(self, background: np.ndarray, tone: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Linear light [S, S, 3] with a well exposed face, and labels [S, S]. tone: how bright the skin is."""
        import cv2

        filled = np.isfinite(self.depth).reshape(self.side, self.side)
        lit = self._square(self.albedo) * self._scatter() + self._square(self.shine)
        lit *= np.exp(-self._find_creases(filled))[..., None] ** np.array([0.8, 1.0, 1.05], np.float32)
        face = np.isin(self._square(self.mark), (labels.SKIN, labels.NOSE)) & (self._square(self.skin) > 0)
        bright = float(np.median(lit[face].mean(axis=1))) if face.any() else 0.2
        exposure = np.float32(tone**0.75 * 0.55 * np.exp(rng.normal(0, 0.3)) / max(bright, 1e-3))
        behind = background * np.float32(rng.uniform(0.3, 1.1))
        covered = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), 0.6)[..., None]
        picture = np.where(filled[..., None], lit * exposure * covered + behind * (1 - covered), behind)
        return picture, np.where(filled, self._square(self.mark), 0).astype(np.uint8)

    def _square(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(self.side, self.side, *values.shape[1:])

    def _scatter(self) -> np.ndarray:
        """Light as it leaves skin: softer, and most of all the red."""
        import cv2

        shade, skin = self._square(self.shade), self._square(self.skin)
        soft = np.empty_like(shade)
        for channel, reach in enumerate(SCATTERING):
            sigma = max(reach / self.pixel, 0.3)
            weight = cv2.GaussianBlur(skin, (0, 0), sigma)
            soft[..., channel] = cv2.GaussianBlur(shade[..., channel] * skin, (0, 0), sigma) / np.maximum(weight, 1e-3)
        return np.where(skin[..., None] > 0, soft, shade)

    def _find_creases(self, filled: np.ndarray) -> np.ndarray:
        """How much less light comes where the surroundings are nearer (unsharp masking of the depth)."""
        import cv2

        near = np.where(filled, self._square(self.depth), 0)
        dark = np.zeros_like(near)
        for reach, strength in CREASES:
            sigma = max(reach / self.pixel, 0.5)
            weight = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), sigma)
            smooth = cv2.GaussianBlur(near, (0, 0), sigma) / np.maximum(weight, 1e-3)
            dark += strength * (near - smooth).clip(0, 0.4)
        return dark
