"""The training loop that the models of the zoo share."""

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

LOGGED_STEPS = 50
WARM_UP, COOL_DOWN = 0.02, 0.3
"""Parts of the steps in which the learning rate rises and falls."""
AVERAGED = 10
"""Over the AVERAGED-th part of the steps goes a moving average."""


def fit(
    name: str,
    model: nn.Module,
    measure_loss: Callable[[int], Tensor],
    steps: int,
    learning_rate: float,
    curves: Path,
    weight_decay: float = 0.01,
    averaged: bool = False,
) -> nn.Module:
    """Train `model` in place with AdamW on the losses of `measure_loss(step)`, and return it in eval mode.

    The learning rate rises over the first steps, stays, and falls to nothing over the last. averaged: the model ends
    with a moving average of its weights over about a tenth of the steps. The curve is written as curves/NAME.csv:
    step, loss (mean of the last LOGGED_STEPS), seconds. ArithmeticError when a loss is no number.
    """
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, learning_rate, weight_decay=weight_decay, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _set_rate(step, steps))
    average = _average(model, steps) if averaged else None
    log = Curve(curves / f"{name}.csv")
    model.train()
    for step in range(steps):
        with speed_up():
            loss = measure_loss(step)
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
        log.add(step, measured)
    if average:
        model.load_state_dict(average.module.state_dict())
    return model.eval()


def _average(model: nn.Module, steps: int):
    decay = math.exp(-AVERAGED / steps)
    kind = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=kind, use_buffers=True)


class Curve:
    """A loss curve as a CSV file, one line every LOGGED_STEPS steps."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.losses, self.start = path, [], time.monotonic()
        with path.open("w", newline="") as file:
            csv.writer(file).writerow(("step", "loss", "seconds"))

    def add(self, step: int, loss: float) -> None:
        self.losses.append(loss)
        if (step + 1) % LOGGED_STEPS == 0:
            row = step + 1, f"{sum(self.losses) / len(self.losses):.5f}", f"{time.monotonic() - self.start:.0f}"
            with self.path.open("a", newline="") as file:
                csv.writer(file).writerow(row)
            self.losses.clear()


def find_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def speed_up() -> torch.autocast:
    """Inside, matrix products are in bfloat16 where the machine has units for it."""
    return torch.autocast(find_device().type, torch.bfloat16, enabled=has_bfloat16())


def has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_amx_tile_supported()


def _set_rate(step: int, steps: int) -> float:
    rise, fall = (step + 1) / max(steps * WARM_UP, 1), (steps - step) / max(steps * COOL_DOWN, 1)
    return min(rise, 1.0, fall)
