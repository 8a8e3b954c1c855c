"""A picture and its label map, painted together shape by shape."""

import numpy as np
from scipy.ndimage import gaussian_filter

from .coverage import measure_cover


class Canvas:
    """image: float32 RGB [S, S, 3], 0..255; labels: uint8 [S, S]. Outlines are in pixels; (0, 0) is the corner."""

    def __init__(self, side_px: int):
        self.side_px = side_px
        self.image = np.zeros((side_px, side_px, 3), dtype=np.float32)
        self.labels = np.zeros((side_px, side_px), dtype=np.uint8)

    def fill(self, outline, colour, *, label=None, alpha=1.0, soft=0.0, inside=None, fade=None) -> None:
        """Paint the inside of an outline.

        label: set where the shape covers at least half of a pixel, None to leave the labels. alpha: 0 paints labels
        only. soft: blur of the edge, a standard deviation in px. inside: a mask that limits the shape. fade: the
        colour at the shape's bottom; `colour` is then that at its top.
        """
        self.fill_all([outline], colour, label=label, alpha=alpha, soft=soft, inside=inside, fade=fade)

    def fill_all(self, outlines, colour, *, label=None, alpha=1.0, soft=0.0, inside=None, fade=None) -> None:
        """As `fill`, for several outlines that are painted as one shape."""
        found = self._cover(outlines, soft)
        if found is None:
            return
        rows, columns, cover = found
        if inside is not None:
            cover = cover * inside[rows, columns]
        if label is not None:
            self.labels[rows, columns][cover >= 0.5] = label
        if alpha:
            self._blend(rows, columns, cover * np.float32(alpha), colour, fade)

    def paint(self, mask: np.ndarray, colour, alpha: float = 1.0) -> None:
        """Paint through a mask float32 [S, S], 0..1; labels stay."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            self._blend(*window, mask[window] * np.float32(alpha), colour, None)

    def mask(self, outline, soft: float = 0.0) -> np.ndarray:
        """How much of each pixel an outline covers, float32 [S, S], 0..1."""
        mask = np.zeros((self.side_px, self.side_px), dtype=np.float32)
        found = self._cover([outline], soft)
        if found is not None:
            rows, columns, cover = found
            mask[rows, columns] = cover
        return mask

    def blur(self, sigma_px: float) -> None:
        """Blur all that was painted so far."""
        self.image = _soften(self.image, max(sigma_px, 0.01), "mirror")

    def finish(self) -> np.ndarray:
        """RGB uint8 [S, S, 3]."""
        return np.rint(self.image.clip(0, 255)).astype(np.uint8)

    def _cover(self, outlines, soft):
        """(rows, columns, float32 cover 0..1) of the part of the canvas that a shape touches; None outside."""
        outlines = [np.asarray(outline, dtype=np.float64) for outline in outlines]
        points = np.concatenate(outlines)
        margin = 1 + 3 * soft
        low = np.floor(points.min(axis=0) - margin).clip(0, self.side_px).astype(int)
        high = np.ceil(points.max(axis=0) + margin).clip(0, self.side_px).astype(int)
        width, height = high - low
        if width <= 0 or height <= 0:
            return None
        cover = measure_cover(outlines, low, int(width), int(height))
        if soft > 0.2:
            cover = _soften(cover, soft, "nearest")
        return slice(low[1], high[1]), slice(low[0], high[0]), cover

    def _blend(self, rows, columns, cover, colour, fade) -> None:
        part = self.image[rows, columns]
        target = np.asarray(colour, dtype=np.float32)
        if fade is not None:
            ramp = np.linspace(0, 1, part.shape[0], dtype=np.float32)[:, None, None]
            target = target + (np.asarray(fade, dtype=np.float32) - target) * ramp
        part += (target - part) * cover[..., None]


def _soften(image: np.ndarray, sigma_px: float, beyond: str) -> np.ndarray:
    """Blur rows and columns of float32 [H, W] or [H, W, C]; beyond: what scipy takes for pixels outside."""
    radius = round(8 * sigma_px + 1) // 2
    return gaussian_filter(image, sigma_px, mode=beyond, radius=radius, axes=(0, 1))
