"""The log of a run: a line of JSON for every few steps and their curves, TensorBoard if wanted, a line for people."""

import time
from pathlib import Path

from ..packages import needed
from ..terminal import tell_duration
from .config import TrainingConfig
from .curves import CurvePicture
from .log_file import NAME, RESUMED, append_line, cut_log


class Log:
    """Numbers by step. Lines after `step` are dropped, since a run that goes on from there writes them again."""

    def __init__(self, config: TrainingConfig, step: int):
        self.path = Path(config.output) / NAME
        cut_log(self.path, step)
        self.steps, self.began, self.first, self.goes_on = config.steps, time.monotonic(), step, step > 0
        self.board = _open_board(config, step) if config.tensorboard else None
        self.curves = CurvePicture(self.path)

    def write(self, step: int, numbers: dict[str, float]) -> None:
        if self.goes_on:
            append_line(self.path, {"step": self.first, RESUMED: True})
            self.goes_on = False
        append_line(self.path, {"step": step, **numbers})
        self.curves.follow()
        if self.board:
            for name, value in numbers.items():
                self.board.add_scalar(name, value, step)
        pace = (time.monotonic() - self.began) / (step - self.first)
        words = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        left = f", {tell_duration(pace * (self.steps - step))} left" if step < self.steps else ""
        print(f"{step} of {self.steps}: {words}, {pace:.2f} s a step{left}", flush=True)

    def show(self, step: int, picture) -> None:
        """Put a sample sheet (PIL) on the board."""
        if self.board:
            import numpy as np

            self.board.add_image("samples", np.asarray(picture), step, dataformats="HWC")

    def close(self) -> None:
        self.curves.draw()
        if self.board:
            self.board.close()


def _open_board(config: TrainingConfig, step: int):
    with needed("tensorboard", "tensorboard: true"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(str(Path(config.output) / "tensorboard"), purge_step=step + 1)
