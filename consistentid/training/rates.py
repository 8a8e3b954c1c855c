"""The learning rate as a function of the step, so that a run that goes on needs no memory of it."""

import math

from .config import TrainingConfig


def find_rate(config: TrainingConfig, step: int) -> float:
    """Rate of a step counted from 0: a line up from the first step of the warm-up, then constant, or a half cosine
    that ends at 0 after the last step."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.rates == "constant":
        return config.learning_rate
    passed = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return config.learning_rate * (1 + math.cos(math.pi * passed)) / 2
