"""The curves of a run as a picture beside its log."""

import time
from pathlib import Path

from ..errors import MissingPackageError
from ..plots import Curve, draw_curves, save_plot
from .log_file import read_log, read_resumptions

NAME = "curves.png"
TITLES = {
    "loss": "loss",
    "noise": "error of the noise",
    "face": "error of the noise, on the face",
    "localisation": "localisation loss",
    "mass": "attention inside regions (mass)",
    "learning_rate": "learning rate",
}
DRAWN_SECONDS = 60
"""A picture takes half a second, so one is drawn no more often."""


class CurvePicture:
    """The picture of a log that grows; without matplotlib, a word once and no picture."""

    def __init__(self, log: Path):
        self.log, self.drawn, self.is_old, self.is_possible = log, time.monotonic(), False, True

    def follow(self) -> None:
        """The log has a new line; draw it if it is time."""
        self.is_old = True
        if time.monotonic() - self.drawn >= DRAWN_SECONDS:
            self.draw()

    def draw(self) -> None:
        if not self.is_old or not self.is_possible:
            return
        try:
            draw_log(self.log)
        except MissingPackageError as error:
            self.is_possible = False
            print(f"No {NAME}: {error}", flush=True)
        self.drawn, self.is_old = time.monotonic(), False


def draw_log(log: Path) -> None:
    """Draw every number of a log.jsonl over the steps, with a line where the run went on; nothing for one point."""
    lines = read_log(log)
    if len(lines) < 2:
        return
    names: list[str] = list(dict.fromkeys(name for line in lines for name in line if name != "step"))
    curves = []
    for name in names:
        points = [(line["step"], line[name]) for line in lines if name in line]
        steps, values = zip(*points, strict=True)
        is_measured = name != "learning_rate"
        curves.append(Curve(TITLES.get(name, name.replace("_", " ")), steps, values, is_measured, is_measured))
    figure = draw_curves(curves, marks=read_resumptions(log), mark="gone on from a checkpoint")
    save_plot(figure, log.with_name(NAME))
