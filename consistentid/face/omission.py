"""Regions that are found, but left out of what is encoded."""

from dataclasses import replace

from ..errors import ConsistentIDError
from .region_words import REGION_WORDS
from .regions import Regions


def leave_out_regions(regions: Regions, words: tuple[str, ...]) -> Regions:
    """The same Regions without those of the given words; ConsistentIDError when none is left."""
    masks = {key: mask for key, mask in regions.masks.items() if REGION_WORDS[key] not in words}
    if not masks:
        found = ", ".join(REGION_WORDS[key] for key in regions.masks)
        raise ConsistentIDError(
            f"Of the regions found ({found}) none is left; leave out fewer than {', '.join(words)}."
        )
    return replace(regions, masks=masks)
