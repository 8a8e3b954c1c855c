"""Regions that are found, but left out of what is encoded."""

from dataclasses import replace

from ..errors import ConsistentIDError
from .regions import ALL_WORDS, REGION_WORDS, Regions, order_words


def read_region_words(text: str) -> tuple[str, ...]:
    """Region words of a text such as "ears, hair"; none in an empty one. ConsistentIDError for an unknown word."""
    words = [word.strip().lower() for word in text.split(",")]
    unknown = [word for word in words if word and not order_words([word])]
    if unknown:
        raise ConsistentIDError(
            f"There is no region '{unknown[0]}' to leave out (in '{text}'). Choose from {', '.join(ALL_WORDS)}, "
            "separated by commas."
        )
    return order_words(words)


def leave_out_regions(regions: Regions, words: tuple[str, ...]) -> Regions:
    """The same Regions without those of the given words; ConsistentIDError when none is left."""
    masks = {key: mask for key, mask in regions.masks.items() if REGION_WORDS[key] not in words}
    if not masks:
        found = ", ".join(REGION_WORDS[key] for key in regions.masks)
        raise ConsistentIDError(
            f"Of the regions found ({found}) none is left; leave out fewer than {', '.join(words)}."
        )
    return replace(regions, masks=masks)
