"""When and where in the UNet the ID tokens act."""

import math
from dataclasses import dataclass

from ..errors import ConsistentIDError
from ..finite import require_finite

EASINGS = ("constant", "ease in", "ease out", "ease in and out")


@dataclass(frozen=True)
class Schedule:
    """Factors of the ID tokens' weight.

    start, end: part of the steps, 0..1, in which they act: step i of n when start <= i / n < end.
    easing: how the weight changes between start and end, along a cosine.
    composition, structure, detail: factor of each group of sites (see Site.group).
    """

    start: float = 0.0
    end: float = 1.0
    easing: str = "constant"
    composition: float = 1.0
    structure: float = 1.0
    detail: float = 1.0

    def __post_init__(self):
        if self.easing not in EASINGS:
            raise ConsistentIDError(f"Unknown easing '{self.easing}'; choose {', '.join(EASINGS)}.")
        require_finite(composition=self.composition, structure=self.structure, detail=self.detail)
        if not 0 <= self.start < self.end <= 1:
            raise ConsistentIDError(
                f"The ID tokens were to act from {self.start:g} to {self.end:g} of the steps; "
                "start must be below end, both between 0 and 1."
            )

    @property
    def is_constant(self) -> bool:
        return (self.start, self.end, self.easing) == (0.0, 1.0, "constant")

    def at_group(self, group: str) -> float:
        return {"composition": self.composition, "structure": self.structure, "detail": self.detail}[group]

    def at_progress(self, progress: float) -> float:
        """Factor at a part of the steps, 0..1.

        >>> Schedule(start=0.2, end=0.8, easing="ease in and out").at_progress(0.5)
        1.0
        """
        if not self.start <= progress < self.end:
            return 0.0
        passed = (progress - self.start) / (self.end - self.start)
        turns = {"constant": None, "ease in": passed + 1, "ease out": passed, "ease in and out": 2 * passed + 1}
        turn = turns[self.easing]
        return 1.0 if turn is None else (1 + math.cos(math.pi * turn)) / 2


def find_progress(schedule: list[float], sigma: float) -> float:
    """Part of the steps done when the model is evaluated at `sigma`; schedule: noise levels of the run, falling.

    An evaluation between two noise levels belongs to the step that is being taken; one that churn has lifted above
    its level counts for the step before.

    >>> find_progress([8.0, 4.0, 2.0, 1.0, 0.0], 3.0)
    0.25
    """
    steps = len(schedule) - 1
    reached = sum(level >= sigma * (1 - 1e-5) for level in schedule[:-1])
    return max(reached - 1, 0) / max(steps, 1)
