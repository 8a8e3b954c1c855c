"""The log of a run: a line of JSON for every few steps, TensorBoard if wanted, and a line for people."""

import json
import time
from pathlib import Path

from ..packages import needed
from ..whole_file import replace_file
from .config import TrainingConfig

NAME = "log.jsonl"


class Log:
    """Numbers by step. Lines after `step` are dropped, since a run that goes on from there writes them again."""

    def __init__(self, config: TrainingConfig, step: int):
        self.path = Path(config.output) / NAME
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_log(self.path) if line["step"] <= step]
        with replace_file(self.path) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self.steps, self.began, self.first = config.steps, time.monotonic(), step
        self.board = _open_board(config, step) if config.tensorboard else None

    def write(self, step: int, numbers: dict[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **numbers}) + "\n")
        if self.board:
            for name, value in numbers.items():
                self.board.add_scalar(name, value, step)
        pace = (time.monotonic() - self.began) / (step - self.first)
        words = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        print(f"{step} of {self.steps}: {words}, {pace:.2f} s a step", flush=True)

    def show(self, step: int, picture) -> None:
        """Put a sample sheet (PIL) on the board."""
        if self.board:
            import numpy as np

            self.board.add_image("samples", np.asarray(picture), step, dataformats="HWC")

    def close(self) -> None:
        if self.board:
            self.board.close()


def read_log(path: Path) -> list[dict]:
    """All whole lines of a log; a run that was killed may leave a piece of one."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def _open_board(config: TrainingConfig, step: int):
    with needed("tensorboard", "tensorboard: true"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(str(Path(config.output) / "tensorboard"), purge_step=step + 1)
