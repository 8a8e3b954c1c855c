"""The training loop that the models of the zoo share."""

import csv
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

LOGGED_STEPS = 50
WARM_UP = 0.02


def fit(
    name: str,
    model: nn.Module,
    measure_loss: Callable[[int], Tensor],
    steps: int,
    learning_rate: float,
    curves: Path,
    weight_decay: float = 0.01,
    ema: float = 0.0,
) -> nn.Module:
    """Train `model` in place with AdamW on the losses of `measure_loss(step)`, and return it in eval mode.

    The learning rate rises over the first steps and falls to nothing along a cosine. ema: decay of a moving average of
    the weights, which the model has at the end; 0 for none. The curve is written as curves/NAME.csv: step, loss (mean
    of the last LOGGED_STEPS), seconds.
    """
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _set_rate(step, steps))
    average = (
        torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema), use_buffers=True
        )
        if ema
        else None
    )
    log = Curve(curves / f"{name}.csv")
    model.train()
    for step in range(steps):
        with speed_up():
            loss = measure_loss(step)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if average:
            average.update_parameters(model)
        log.add(step, loss.item())
    if average:
        model.load_state_dict(average.module.state_dict())
    return model.eval()


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
    warm = max(int(steps * WARM_UP), 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1)))
