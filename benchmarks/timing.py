"""Timing several ways of doing one thing in alternation, so that all meet the same machine."""

import statistics
import time
from collections.abc import Callable

import torch


def time_alternating(ways: dict[str, Callable[[], float]], rounds: int, warm_up: bool = True) -> dict[str, list[float]]:
    """Seconds of each way in each round, after a warm-up round unless none is wanted; the order turns by rounds.

    A way runs once and returns its seconds, so that it can leave its preparation out (see `time_once`).
    """
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + warm_up):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(ways[name]())
    return {name: values[warm_up:] for name, values in seconds.items()}


def time_once(function: Callable[[], object]) -> float:
    """Seconds of one call, work on the GPU included."""
    wait_for_gpu()
    start = time.perf_counter()
    function()
    wait_for_gpu()
    return time.perf_counter() - start


def time_processor(function: Callable[[], object]) -> float:
    """CPU time of one call, in which is nothing of what else the machine does."""
    start = time.process_time()
    function()
    return time.process_time() - start


def compare(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median seconds of each way, and the median over rounds of its ratio to every other way."""
    return {
        name: {
            "seconds": statistics.median(values),
            **{
                f"to_{other}": statistics.median(a / b for a, b in zip(values, theirs, strict=True))
                for other, theirs in seconds.items()
                if other != name
            },
        }
        for name, values in seconds.items()
    }


def wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
