"""Glasses: the frame has the label, what is behind the lenses keeps its own."""

import numpy as np

from ..drawing import labels
from ..drawing.curves import make_ellipse, smooth, thicken
from ..drawing.easel import Easel
from .eyes import find_eye

FRAMES = {"round": (44, 40, 50), "square": (112, 44, 40)}
LIFT = 0.13


def draw_glasses(easel: Easel) -> None:
    person = easel.person
    if person.glasses == "none":
        return
    colour, canvas = FRAMES[person.glasses], easel.canvas
    edges = []
    for side in (-1, 1):
        middle = np.add(find_eye(easel, side), (side * 0.01, 0.03))
        lens = easel.pose.place_feature(_trace_lens(person.glasses) + middle, LIFT)
        canvas.fill(lens, (206, 232, 246), alpha=0.16)
        glint = np.array([(-0.16, 0.06), (-0.02, -0.17), (0.05, -0.17), (-0.11, 0.10)]) * [1, 0.9] + middle
        canvas.fill(easel.pose.place_feature(glint, LIFT), (255, 255, 255), alpha=0.22, inside=canvas.mask(lens))
        edges.append(thicken(np.concatenate([lens, lens[:2]]), easel.px(0.045), "none"))
        temple = [(side * 0.56, 0.0), (side * 0.66, -0.02), (side * 0.76, -0.02)]
        edges.append(thicken(easel.pose.place_outline(temple, [0.36, 0.18, -0.1]), easel.px(0.045), "none"))
    nose = smooth([(-0.10, 0.03), (0, -0.02), (0.10, 0.03)], closed=False)
    edges.append(thicken(easel.pose.place_feature(nose, LIFT + 0.04), easel.px(0.042), "none"))
    for edge in edges:
        canvas.fill(edge, colour, label=labels.GLASSES)


def _trace_lens(shape: str) -> np.ndarray:
    if shape == "round":
        return make_ellipse((0, 0), (0.235, 0.225), 40)
    corners = [(-0.235, -0.12), (-0.20, -0.165), (0.20, -0.165), (0.245, -0.12), (0.225, 0.12), (0.17, 0.17)]
    return smooth([*corners, (-0.17, 0.17), (-0.22, 0.12)])
