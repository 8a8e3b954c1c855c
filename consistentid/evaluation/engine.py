"""What every engine gives: a picture of a photo, a prompt and a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from PIL import Image

from ..errors import ConsistentIDError


class EngineError(ConsistentIDError):
    """An engine that cannot go on."""


class DrawingError(ConsistentIDError):
    """One picture that could not be drawn; others may."""


@dataclass(frozen=True)
class Drawing:
    """seconds: what the picture took, from photo to pixels; None where that is not known."""

    image: Image.Image
    seconds: float | None


@dataclass(frozen=True)
class Asked:
    """A picture to draw. number: of those that are asked for."""

    number: int
    photo: Path
    prompt: str
    seed: int


class Engine(Protocol):
    def describe(self) -> dict:
        """Everything that determines the pictures, as JSON can hold it."""
        ...

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """DrawingError when this picture fails, EngineError when every other would."""
        ...

    def draw_all(self, asked: Sequence[Asked]) -> "Iterator[tuple[Asked, Drawing | DrawingError]]":
        """Each picture, or why it failed, as soon as it is there, in any order; EngineError when none can follow.

        The first of each process or server has no time (see Stopwatch).
        """
        draw = Stopwatch(self)
        for one in asked:
            try:
                yield one, draw(one.photo, one.prompt, one.seed)
            except DrawingError as error:
                yield one, error


class Stopwatch:
    """Draws with an engine that may load models for its first picture, which has no time therefore."""

    def __init__(self, engine: Engine):
        self.engine, self.is_first = engine, True

    def __call__(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """As `Engine.draw`."""
        drawing = self.engine.draw(photo, prompt, seed)
        if self.is_first:
            self.is_first, drawing = False, replace(drawing, seconds=None)
        return drawing
