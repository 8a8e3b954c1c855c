"""The training loop that the models of the zoo share."""

import csv
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from consistentid.whole_file import replace_file

Model = TypeVar("Model", bound=nn.Module)

LOGGED_STEPS = 50
KEPT_SECONDS = 300
"""How much of a training is lost at most when it is stopped."""
WARM_UP, COOL_DOWN = 0.02, 0.3
"""Parts of the steps in which the learning rate rises and falls."""
AVERAGED = 10
"""Over the AVERAGED-th part of the steps goes a moving average."""


def fit(
    name: str,
    model: Model,
    sample: Callable[[np.random.Generator], tuple],
    measure_loss: Callable[..., Tensor],
    steps: int,
    learning_rate: float,
    seed: int,
    curves: Path,
    weight_decay: float = 0.01,
    averaged: bool = False,
) -> Model:
    """Train `model` in place with AdamW on the losses of `measure_loss(*sample(rng))`, and return it in eval mode.

    `measure_loss` gets the arrays of a sample as tensors on the device. On a GPU samples are made ahead by other
    processes, so `sample` leaves torch alone. Every step has random numbers of its own, torch's too, from the seed and
    its number: samples are the same however they are made. The learning rate rises over the first steps, stays, and
    falls to nothing over the last. averaged: the model ends with a moving average of its weights over about a tenth of
    the steps. The curve is written as curves/NAME.csv: step, loss (mean of the last LOGGED_STEPS), seconds. A training
    that was stopped goes on from curves/NAME.pt; that of a finished one gives its model again, until it is removed.
    ArithmeticError when a loss is no number; ValueError for the state of a training with other settings.
    """
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, learning_rate, weight_decay=weight_decay, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _set_rate(step, steps))
    average = _average(model, steps) if averaged else None
    curve = Curve(curves / f"{name}.csv")
    settings = {"steps": steps, "learning_rate": learning_rate, "seed": seed, "weight_decay": weight_decay}
    parts = [part for part in (model, optimizer, schedule, average, curve) if part]
    state = State(curves / f"{name}.pt", settings, parts)
    model.train()
    remaining = range(state.restore(), steps)
    for step, (chance, sampled) in zip(remaining, make_samples(sample, seed, remaining), strict=True):
        torch.manual_seed(chance)
        with speed_up():
            loss = measure_loss(*map(move_array, sampled))
        measured = loss.item()
        if not math.isfinite(measured):
            raise ArithmeticError(f"The loss of {name} is {measured} in step {step}.")
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if average:
            average.update_parameters(model)
        curve.add(step, measured)
        if state.is_due() or step + 1 == steps:
            state.keep(step + 1)
    if average:
        model.load_state_dict(average.module.state_dict())
    return model.eval()


class Samples(Dataset):
    """By number of a step: (the seed of torch's random numbers in it, its sample)."""

    def __init__(self, sample: Callable[[np.random.Generator], tuple], seed: int):
        self.sample, self.seed = sample, seed

    def __getitem__(self, step: int) -> tuple[int, tuple]:
        rng = np.random.default_rng([self.seed, step])
        return int(rng.integers(1 << 62)), self.sample(rng)


def make_samples(sample: Callable[[np.random.Generator], tuple], seed: int, steps: range) -> Iterable:
    """The Samples of the steps, in their order."""
    workers = count_workers()
    ahead = {"multiprocessing_context": "fork", "worker_init_fn": _start_worker} if workers else {}
    return DataLoader(
        Samples(sample, seed), batch_size=None, sampler=steps, num_workers=workers, collate_fn=_keep, **ahead
    )


def count_workers() -> int:
    """Processes that make samples: none on a CPU, whose cores train, or where processes cannot be forked."""
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    return min((os.cpu_count() or 1) - 1, 16) if can_fork and torch.cuda.is_available() else 0


def _start_worker(number: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # its threads have not come along


def _keep(sample):
    return sample


def move_array(part):
    return torch.from_numpy(part).to(find_device()) if isinstance(part, np.ndarray) else part


def _average(model: nn.Module, steps: int):
    decay = math.exp(-AVERAGED / steps)
    kind = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=kind, use_buffers=True)


class Curve:
    """A loss curve as a CSV file, one line every LOGGED_STEPS steps."""

    def __init__(self, path: Path):
        self.path, self.rows, self.losses, self.start = path, [], [], time.monotonic()

    def add(self, step: int, loss: float) -> None:
        self.losses.append(loss)
        if (step + 1) % LOGGED_STEPS == 0:
            self.rows.append((step + 1, f"{sum(self.losses) / len(self.losses):.5f}", f"{self._count():.0f}"))
            self.losses.clear()
            with replace_file(self.path) as part, part.open("w", newline="") as file:
                csv.writer(file).writerows([("step", "loss", "seconds"), *self.rows])

    def state_dict(self) -> dict:
        return {"rows": self.rows, "losses": self.losses, "seconds": self._count()}

    def load_state_dict(self, state: dict) -> None:
        self.rows, self.losses, self.start = state["rows"], state["losses"], time.monotonic() - state["seconds"]

    def _count(self) -> float:
        return time.monotonic() - self.start


class State:
    """The state of all parts of a training in a file. settings: what must be the same for it to go on."""

    def __init__(self, path: Path, settings: dict, parts: list):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.settings, self.parts, self.kept = path, settings, parts, time.monotonic()

    def restore(self) -> int:
        """The step to go on with; 0 without a file."""
        if not self.path.exists():
            return 0
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        if state["settings"] != self.settings:
            raise ValueError(f"{self.path} is of a training with {state['settings']}, not {self.settings}. Remove it.")
        for part, values in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(values)
        return state["step"]

    def is_due(self) -> bool:
        return time.monotonic() - self.kept >= KEPT_SECONDS

    def keep(self, step: int) -> None:
        with replace_file(self.path) as part:
            parts = [part.state_dict() for part in self.parts]
            torch.save({"step": step, "settings": self.settings, "parts": parts}, part)
        self.kept = time.monotonic()


def find_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def move_to_device(model: Model) -> Model:
    """The model there, in the layout in which convolutions are fastest."""
    layout = torch.channels_last
    return model.to(find_device(), memory_format=layout)  # pyright: ignore[reportCallIssue] PyTorch forgot it there


def speed_up() -> torch.autocast:
    """Inside, matrix products are in bfloat16 where the machine has units for it."""
    return torch.autocast(find_device().type, torch.bfloat16, enabled=has_bfloat16())


def has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()


def _set_rate(step: int, steps: int) -> float:
    rise, fall = (step + 1) / max(steps * WARM_UP, 1), (steps - step) / max(steps * COOL_DOWN, 1)
    return min(rise, 1.0, fall)
