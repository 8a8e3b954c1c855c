"""Backgrounds outdoors."""

import numpy as np

from ..drawing.curves import make_ellipse
from ..palette import darken
from .board import Board


def draw_beach(board: Board) -> None:
    board.sky((96, 180, 232), (206, 236, 244), y1=0.62)
    board.dot((board.rng.choose((0.16, 0.84)), 0.17), 0.075, (255, 246, 200))
    _draw_clouds(board, 3, 0.1, 0.35)
    board.sky((28, 142, 178), (110, 214, 208), 0.56, 0.80)
    for y in (0.62, 0.67, 0.73):
        x = board.rng.uniform(0, 0.7)
        board.shape([(x, y), (x + 0.3, y - 0.003), (x + 0.3, y + 0.005)], (236, 252, 250), alpha=0.8)
    board.hill(board.heights(5, 0.74, 0.79), (250, 246, 232))
    board.hill(board.heights(5, 0.77, 0.82), (244, 216, 160), (220, 180, 118))


def _draw_clouds(board: Board, count, low, high) -> None:
    for _ in range(count):
        x, y = board.rng.uniform(-0.05, 1.05), board.rng.uniform(low, high)
        board.dots([((x - 0.07, y), 0.038), ((x, y), 0.056), ((x + 0.07, y), 0.042)], (255, 255, 255), 0.9)


def draw_mountains(board: Board) -> None:
    board.sky((120, 172, 226), (236, 232, 224))
    _draw_clouds(board, 3, 0.06, 0.28)
    for index, tone in enumerate(((148, 164, 196), (108, 126, 168))):
        for _ in range(3):
            x, top = board.rng.uniform(0, 1), 0.22 + 0.14 * index + board.rng.uniform(0, 0.12)
            wide = board.rng.uniform(0.28, 0.42)
            board.shape([(x, top), (x + wide, 0.82), (x - wide, 0.82)], tone)
            board.shape([(x, top), (x + wide, 0.82), (x + wide * 0.1, 0.82)], darken(tone, 0.25))
            cap = [
                (x, top),
                (x + wide * 0.26, top + 0.15),
                (x + 0.03, top + 0.11),
                (x - 0.04, top + 0.16),
                (x - wide * 0.22, top + 0.13),
            ]
            board.shape(cap, (250, 252, 255))
    board.hill(board.heights(5, 0.66, 0.76), (94, 152, 96), (60, 112, 80))


def draw_forest(board: Board) -> None:
    board.sky((186, 222, 180), (96, 150, 96))
    board.dot((board.rng.uniform(0.2, 0.8), 0.22), 0.2, (252, 250, 200), 0.7, 0.08)
    for tone, wide in (((96, 150, 106), 0.035), ((54, 104, 72), 0.055)):
        for _ in range(6):
            x = board.rng.uniform(-0.05, 1.05)
            board.shape(
                [(x - wide * 0.3, 0), (x + wide * 0.3, 0), (x + wide * 0.5, 1), (x - wide * 0.5, 1)], darken(tone, 0.35)
            )
            for level in range(5):
                y = 0.06 + level * 0.17
                board.shape(
                    [
                        (x, y - 0.12),
                        (x + wide * (2.0 + 0.4 * level), y + 0.12),
                        (x - wide * (2.0 + 0.4 * level), y + 0.12),
                    ],
                    tone,
                )
    board.hill(board.heights(6, 0.80, 0.87), (70, 124, 70), (40, 84, 56))


def draw_garden(board: Board) -> None:
    board.sky((170, 220, 240), (206, 232, 200), y1=0.5)
    for tone, low in (((120, 182, 104), 0.22), ((82, 150, 84), 0.40), ((56, 122, 72), 0.62)):
        for index in range(9):
            board.dot(
                (index / 8 + board.rng.uniform(-0.05, 0.05), low + 0.14 + board.rng.uniform(-0.06, 0.05)), 0.13, tone
            )
        board.sky(tone, darken(tone, 0.2), low + 0.14)
    for colour in ((250, 120, 150), (255, 220, 96), (250, 250, 250), (186, 120, 220), (240, 80, 70)):
        flowers = board.scatter(7, 0.36, 0.014, 0.026)
        board.dots([petal for flower in flowers for petal in _trace_petals(*flower)], colour)
        board.dots([(centre, radius * 0.6) for centre, radius in flowers], (255, 200, 70))


def _trace_petals(centre, radius: float) -> list:
    angles = np.arange(5) * 2 * np.pi / 5
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius
    return [(np.asarray(centre) + offset, radius * 0.75) for offset in around]


def draw_snow(board: Board) -> None:
    board.sky((150, 178, 212), (226, 234, 244))
    board.hill(board.heights(5, 0.46, 0.58), (208, 220, 236))
    for _ in range(7):
        x, foot, high = board.rng.uniform(0, 1), board.rng.uniform(0.58, 0.70), board.rng.uniform(0.14, 0.24)
        for level in range(3):
            y, wide = foot - high * (0.3 * level), high * (0.42 - 0.10 * level)
            board.shape([(x, y - high * 0.5), (x + wide, y), (x - wide, y)], (70, 112, 116))
            board.shape(
                [(x, y - high * 0.5), (x + wide * 0.5, y - high * 0.22), (x - wide * 0.5, y - high * 0.22)],
                (244, 250, 255),
            )
    board.hill(board.heights(5, 0.64, 0.74), (244, 248, 253), (206, 220, 238))
    board.dots(board.scatter(45, 0, 0.005, 0.013), (255, 255, 255), 0.9)


def draw_sunset(board: Board) -> None:
    board.sky((88, 60, 130), (250, 130, 90), y1=0.45)
    board.sky((250, 130, 90), (255, 212, 130), 0.45, 0.72)
    board.dot((board.rng.uniform(0.15, 0.85), 0.55), 0.28, (255, 220, 130), 0.5, 0.08)
    board.dot((board.rng.choose((0.14, 0.86)), 0.55), 0.11, (255, 240, 180))
    for _ in range(4):
        x, y, wide = board.rng.uniform(0, 1), board.rng.uniform(0.1, 0.45), board.rng.uniform(0.12, 0.25)
        board.shape(make_ellipse((x, y), (wide, 0.018)), (255, 170, 140), alpha=0.7)
    board.hill(board.heights(6, 0.60, 0.70), (116, 62, 104), (70, 40, 84))
    board.hill(board.heights(5, 0.72, 0.82), (66, 38, 76), (40, 26, 56))
