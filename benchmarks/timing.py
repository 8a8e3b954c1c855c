"""Timing two or more ways of doing one thing in alternation, so that both meet the same machine."""

import statistics
import time
from collections.abc import Callable

import torch


def time_alternating(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each way over `rounds` rounds, after one warm-up; each round runs all ways once."""
    seconds = {name: [] for name in ways}
    for way in ways.values():
        way()
    for number in range(rounds):
        order = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in order:
            seconds[name].append(time_once(ways[name]))
    return {name: statistics.median(values) for name, values in seconds.items()}


def time_once(function: Callable[[], object]) -> float:
    """Seconds of one call, work on the GPU included."""
    _wait()
    start = time.perf_counter()
    function()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
