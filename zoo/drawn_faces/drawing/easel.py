"""What every drawing function gets: the canvas, the pose and the two models."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import palette
from ..person import Person
from ..scene import Scene
from .canvas import Canvas
from .pose import Pose
from .seeded_random import SeededRandom

RIMS = {"beanie": -0.44, "cap": -0.48, "top hat": -0.56, "straw hat": -0.50}
"""y of the line above which a hat hides all hair, head units; other hats sit on top of it."""


@dataclass(frozen=True, eq=False)
class Easel:
    canvas: Canvas
    pose: Pose
    person: Person
    scene: Scene

    def px(self, length: float) -> float:
        """A length in head units, in pixels."""
        return length * self.pose.scale_px

    def rng(self, part: int) -> SeededRandom:
        """Choices that belong to the person; `part` keeps those of two parts of the drawing apart."""
        return SeededRandom(3, part, self.person.texture)

    @cached_property
    def skin(self):
        return palette.SKIN[self.person.skin]

    @cached_property
    def skin_shadow(self):
        return palette.mix(palette.darken(self.skin, 0.42), (150, 50, 60), 0.10)

    @cached_property
    def hair(self):
        return palette.HAIR[self.person.hair_colour]

    @cached_property
    def cloth(self):
        return palette.FABRIC[self.scene.clothes_colour]

    @cached_property
    def bare_head(self) -> np.ndarray:
        """Mask of everything that no hat can hide: all that is below the hat's rim."""
        rim = RIMS.get(self.scene.hat)
        if rim is None:
            return np.ones_like(self.canvas.labels, dtype=np.float32)
        low = self.pose.place_outline(
            [(-0.86, rim), (0.86, rim), (1.1, rim + 0.35), (2, 2), (9, 9), (-9, 9), (-2, 2), (-1.1, rim + 0.35)]
        )
        return self.canvas.mask(low)
