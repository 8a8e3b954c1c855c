"""What every engine gives: a picture of a photo, a prompt and a seed."""

from dataclasses import dataclass
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


class Engine(Protocol):
    def describe(self) -> dict:
        """Everything that determines the pictures, as JSON can hold it."""
        ...

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        """DrawingError when this picture fails, EngineError when every other would."""
        ...
