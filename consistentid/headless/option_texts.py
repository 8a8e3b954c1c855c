"""Options of a run that are written as one text: a LoRA file with its weight, a person with their place."""

import re
from typing import Any

from ..errors import ConsistentIDError

STRENGTH: dict[str, Any] = {"ge": -10, "le": 10}
"""Limits of a strength or weight; as in ComfyUI, like the other limits."""
PLACES = {"left": (0.0, 0.48), "right": (0.52, 1.0)}
"""Parts of the width that have a name; what lies between keeps two people apart."""


def parse_lora(text: str) -> tuple[str, float]:
    """Path and weight of a LoRA.

    >>> parse_lora("style.safetensors=0.8"), parse_lora("style.safetensors")
    (('style.safetensors', 0.8), ('style.safetensors', 1.0))
    """
    path, equals, weight = text.rpartition("=")
    try:
        number = float(weight) if equals else 1.0
        if not abs(number) <= STRENGTH["le"]:
            raise ValueError
        return path if equals else text, number
    except ValueError:
        raise ConsistentIDError(f"'{text}' is not a LoRA: write FILE, or FILE=WEIGHT with a number up to 10.") from None


def parse_person(text: str) -> tuple[str, tuple[float, float] | str | None]:
    """The file of a person and where they are: a part of the width, the file of a mask, or None for everywhere.

    >>> parse_person("her.jpg=left"), parse_person("him.safetensors=0.6-1"), parse_person("them.png=mask.png")
    (('her.jpg', (0.0, 0.48)), ('him.safetensors', (0.6, 1.0)), ('them.png', 'mask.png'))
    """
    path, equals, place = text.rpartition("=")
    if not equals:
        return text, None
    numbers = re.fullmatch(r"(\d*\.?\d+)-(\d*\.?\d+)", place)
    start, end = map(float, numbers.groups()) if numbers else PLACES.get(place, (0.0, 1.0))
    if not path or not place or not 0 <= start < end <= 1:
        raise ConsistentIDError(
            f"--person {text} is no person and place: write FILE=left, FILE=right, FILE=0.1-0.4 (from and to, of the "
            "width 0 to 1), or FILE=MASK.png."
        )
    return path, (start, end) if numbers or place in PLACES else place
