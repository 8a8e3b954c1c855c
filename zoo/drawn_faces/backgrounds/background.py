"""What is behind the person; drawn in shares of the picture, a little out of focus."""

import numpy as np

from ..drawing.canvas import Canvas
from ..drawing.curves import make_ellipse
from ..drawing.seeded_random import SeededRandom
from ..palette import FABRIC, darken, lighten, mix
from ..scene import Scene
from . import landscapes
from .board import Board

FOCUS = 0.008
"""Blur of the background, in sides of the picture."""


def draw_background(canvas: Canvas, scene: Scene) -> None:
    board = Board(canvas, SeededRandom(4, scene.texture))
    if scene.background == "studio":
        _draw_studio(board, FABRIC[scene.backdrop_colour], scene.light_side)
    else:
        _DRAWERS[scene.background](board)
    canvas.blur(FOCUS * canvas.side_px)


def _draw_studio(board: Board, colour, light_side: float) -> None:
    colour = mix(colour, (236, 226, 214), 0.42)
    board.sky(lighten(colour, 0.10), darken(colour, 0.20))
    board.dot((0.5 + 0.22 * light_side, 0.30), 0.34, lighten(colour, 0.65), 0.75, 0.14)


def _draw_city(board: Board) -> None:
    board.sky((24, 22, 60), (104, 56, 120))
    for index in range(9):
        x, top, wide = index / 8 - 0.06, board.rng.uniform(0.22, 0.55), board.rng.uniform(0.10, 0.16)
        tone = (36 + 10 * (index % 2), 34, 76)
        board.shape([(x, top), (x + wide, top), (x + wide, 1), (x, 1)], tone)
        lit = [(board.rng.uniform(x + 0.02, x + wide - 0.02), board.rng.uniform(top + 0.03, 0.95)) for _ in range(9)]
        board.dots([(window, 0.010) for window in lit], (255, 216, 120), 0.9)
    for colour in ((255, 190, 90), (255, 110, 130), (120, 190, 255), (255, 236, 190)):
        board.dots(board.scatter(5, 0.35, 0.015, 0.045), colour, 0.42)


def _draw_library(board: Board) -> None:
    board.sky((116, 76, 50), (84, 54, 40))
    for row in range(5):
        floor, x = 0.19 + row * 0.22, -0.02
        while x < 1.02:
            wide, high = board.rng.uniform(0.022, 0.05), board.rng.uniform(0.12, 0.17)
            tone = darken(
                FABRIC[board.rng.choose(("red", "teal", "navy", "yellow", "green", "purple", "orange", "white"))], 0.22
            )
            board.shape([(x, floor - high), (x + wide, floor - high), (x + wide, floor), (x, floor)], tone)
            board.shape(
                [
                    (x, floor - high * 0.75),
                    (x + wide, floor - high * 0.75),
                    (x + wide, floor - high * 0.66),
                    (x, floor - high * 0.66),
                ],
                lighten(tone, 0.4),
            )
            x += wide + 0.004
        board.sky((150, 100, 64), (110, 70, 46), floor, floor + 0.03)


def _draw_space(board: Board) -> None:
    board.sky((14, 12, 40), (58, 30, 92))
    for colour in ((140, 60, 150), (50, 90, 190)):
        board.dot((board.rng.uniform(0, 1), board.rng.uniform(0.1, 0.8)), 0.2, colour, 0.45, 0.1)
    board.dots(board.scatter(60, 0, 0.003, 0.008), (255, 250, 230))
    x, y = board.rng.choose((0.17, 0.83)), board.rng.uniform(0.18, 0.32)
    tone = board.rng.choose(((238, 150, 90), (110, 200, 190), (226, 120, 150)))
    board.dot((x, y), 0.12, tone)
    board.dot((x + 0.03, y + 0.02), 0.10, darken(tone, 0.4), 0.5, 0.02)
    ring = make_ellipse((x, y), (0.20, 0.045), 40)
    board.shape(
        np.concatenate([ring, ring[:1], make_ellipse((x, y), (0.165, 0.030), 40)[::-1]]), (250, 226, 180), alpha=0.9
    )


_DRAWERS = {
    "beach": landscapes.draw_beach,
    "mountains": landscapes.draw_mountains,
    "forest": landscapes.draw_forest,
    "city at night": _draw_city,
    "library": _draw_library,
    "garden": landscapes.draw_garden,
    "snow": landscapes.draw_snow,
    "space": _draw_space,
    "sunset": landscapes.draw_sunset,
}
