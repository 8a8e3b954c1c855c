"""Facial regions by name: keys, labels and words. Needs no package, so that commands start at once.

Labels are those of CelebAMask-HQ.
"""

from collections.abc import Iterable
from typing import Literal

from ..errors import ConsistentIDError
from ..suggestion import suggest

REGION_LABELS = {
    "Face": 1,
    "Left_Eye": 4,
    "Right_Eye": 5,
    "Left_Ear": 7,
    "Right_Ear": 8,
    "Nose": 10,
    "Upper_Lip": 12,
    "Lower_Lip": 13,
}
"""Region keys of the reference and their label, in label order: the order facial features are stacked in."""

FACE_LABELS = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
"""All that lies in a face: skin, brows, eyes, glasses, nose, mouth and lips."""

EXTRA_LABELS = {"Brows": (2, 3), "Hair": (17,)}
"""Region keys beyond the reference and their labels; they follow the others."""

REGION_WORDS = {
    "Face": "face",
    "Left_Eye": "eyes",
    "Right_Eye": "eyes",
    "Left_Ear": "ears",
    "Right_Ear": "ears",
    "Nose": "nose",
    "Upper_Lip": "mouth",
    "Lower_Lip": "mouth",
    "Brows": "eyebrows",
    "Hair": "hair",
}
"""The caption word of every region key, in the order regions are kept in."""

RegionWord = Literal["face", "eyes", "ears", "nose", "mouth", "eyebrows", "hair"]
ALL_WORDS: tuple[RegionWord, ...] = ("face", "eyes", "ears", "nose", "mouth", "eyebrows", "hair")
"""The values of REGION_WORDS, each once, in their order."""
PUBLISHED_REGIONS = ALL_WORDS[:5]
"""Words of the regions that the released adapters were trained with."""
OTHER_NAMES = {"brows": "eyebrows"}
"""What people also call a region, and its word."""


def order_words(words: Iterable[str]) -> tuple[RegionWord, ...]:
    """The region words among some words, or their other names, each once and in the order of ALL_WORDS."""
    named = {OTHER_NAMES.get(word, word) for word in words}
    return tuple(word for word in ALL_WORDS if word in named)


def read_region_words(text: str) -> tuple[str, ...]:
    """Region words of a text such as "ears, hair"; none in an empty one. ConsistentIDError for an unknown word."""
    words = [word.strip().lower() for word in text.split(",")]
    unknown = [word for word in words if word and not order_words([word])]
    if unknown:
        raise ConsistentIDError(
            f"There is no region '{unknown[0]}' to leave out (in '{text}').{suggest(unknown[0], ALL_WORDS)} Choose "
            f"from {', '.join(ALL_WORDS)}, separated by commas."
        )
    return order_words(words)
