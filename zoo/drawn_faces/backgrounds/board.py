"""A canvas for backgrounds, in shares of the picture."""

import numpy as np

from ..drawing.canvas import Canvas
from ..drawing.curves import make_ellipse, smooth
from ..drawing.seeded_random import SeededRandom


class Board:
    """Paints on a canvas in shares of its side."""

    def __init__(self, canvas: Canvas, rng: SeededRandom):
        self.canvas, self.rng, self.side = canvas, rng, canvas.side_px

    def sky(self, top, bottom, y0=0.0, y1=1.0) -> None:
        self.shape([(-0.1, y0), (1.1, y0), (1.1, y1), (-0.1, y1)], top, fade=bottom)

    def shape(self, points, colour, soft=0.0, **more) -> None:
        self.canvas.fill(np.asarray(points) * self.side, colour, soft=soft * self.side, **more)

    def dot(self, centre, radius, colour, alpha=1.0, soft=0.0) -> None:
        self.shape(make_ellipse(centre, (radius, radius), 36), colour, soft, alpha=alpha)

    def dots(self, spots, colour, alpha=1.0) -> None:
        """Spots are (centre, radius)."""
        circle = make_ellipse((0, 0), (1, 1), 20)
        outlines = [(np.asarray(centre) + circle * radius) * self.side for centre, radius in spots]
        self.canvas.fill_all(outlines, colour, alpha=alpha)

    def scatter(self, count, top, low, high) -> list:
        """Spots anywhere below y = top, with radii from low to high."""
        draw = self.rng.uniform
        return [((draw(0, 1), draw(top, 1)), draw(low, high)) for _ in range(count)]

    def hill(self, heights, colour, fade=None) -> None:
        """Everything below a smooth line of heights from left to right."""
        x = np.linspace(-0.1, 1.1, len(heights))
        line = smooth(np.stack([x, heights], axis=1), closed=False)
        self.shape([*line, (1.1, 1.1), (-0.1, 1.1)], colour, fade=fade)

    def heights(self, count, low, high) -> list[float]:
        return [self.rng.uniform(low, high) for _ in range(count)]
