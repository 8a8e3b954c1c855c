"""How much of a pixel a shape covers, against areas known from geometry."""

import numpy as np
import pytest

from zoo.drawn_faces.drawing.canvas import Canvas
from zoo.drawn_faces.drawing.coverage import measure_cover
from zoo.drawn_faces.drawing.curves import make_ellipse, shift, thicken

CORNER = np.zeros(2)
SQUARE = np.array([(1.25, 1.5), (5.75, 1.5), (5.75, 4.25), (1.25, 4.25)])


def test_a_square_between_pixels():
    cover = measure_cover([SQUARE], CORNER, 8, 6)
    across = np.array([0, 0.75, 1, 1, 1, 0.75, 0, 0])
    down = np.array([0, 0.5, 1, 1, 0.25, 0])
    assert np.allclose(cover, down[:, None] * across, atol=1e-6)


@pytest.mark.parametrize("turned", [1, -1])
def test_a_circle_and_a_ring(turned):
    circle = make_ellipse((20.3, 19.8), (15.0, 15.0), 200)[::turned]
    hole = make_ellipse((20.3, 19.8), (8.0, 8.0), 200)[::-turned]
    assert measure_cover([circle], CORNER, 40, 40).sum() == pytest.approx(np.pi * 15**2, rel=2e-3)
    assert measure_cover([circle, hole], CORNER, 40, 40).sum() == pytest.approx(np.pi * (15**2 - 8**2), rel=4e-3)


def test_overlapping_strokes_count_once():
    across = thicken([(2.0, 10.0), (10.0, 10.0), (18.0, 10.0)], 2.0, "none")
    down = thicken([(10.0, 2.0), (10.0, 10.0), (10.0, 18.0)], 2.0, "none")
    assert measure_cover([across, down], CORNER, 20, 20).sum() == pytest.approx(32 + 32 - 4)


def test_a_shape_beyond_the_window():
    far = measure_cover([shift(SQUARE, -3, -2)], CORNER, 8, 6)
    assert np.allclose(far[:4, :5], measure_cover([SQUARE], CORNER, 8, 6)[2:, 3:], atol=1e-6)
    canvas = Canvas(8)
    canvas.fill(shift(SQUARE, 50, 0), (255, 0, 0), label=3)
    assert not canvas.image.any() and not canvas.labels.any()


def test_painting_mixes_at_edges_and_labels_by_half():
    canvas = Canvas(8)
    canvas.fill(SQUARE, (200, 100, 0), label=5)
    assert canvas.image[2, 1].tolist() == [150, 75, 0]
    assert canvas.labels[2].tolist() == [0, 5, 5, 5, 5, 5, 0, 0]
    assert canvas.labels[:, 3].tolist() == [0, 5, 5, 5, 0, 0, 0, 0]
    canvas.fill(SQUARE, (0, 0, 0), label=7, alpha=0)
    assert canvas.image[2, 3].tolist() == [200, 100, 0] and canvas.labels[2, 3] == 7
