"""Random choices that are the same on every machine."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")


class SeededRandom:
    """Draws from one seed; only Generator.random is used, the plainest of NumPy's streams."""

    def __init__(self, *seed: int):
        self.generator = np.random.default_rng(list(seed))

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.generator.random())

    def chance(self, share: float) -> bool:
        return float(self.generator.random()) < share

    def choose(self, options: Iterable[Option]) -> Option:
        """One of a sequence, or of a dict {option: weight}."""
        names = list(options)
        weights = np.array(list(options.values()) if isinstance(options, dict) else [1.0] * len(names))
        index = int(np.searchsorted(np.cumsum(weights) / weights.sum(), float(self.generator.random()), side="right"))
        return names[min(index, len(names) - 1)]
