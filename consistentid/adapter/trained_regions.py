"""Which regions an adapter was trained with, as its file says it: published files say nothing."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import CheckpointError
from ..face.region_words import RegionWord, order_words
from ..weights import read_metadata
from .config import AdapterConfig

REGIONS = "regions"
"""Key of the metadata of a safetensors file."""


def add_regions(config: AdapterConfig, path: Path) -> AdapterConfig:
    """The configuration with the regions that an adapter's file names; as it was where the file names none, or those.

    Words of newer versions are left out.
    """
    regions = ()
    with suppress(CheckpointError):  # a torch file, which has no metadata
        regions = order_words(word.strip() for word in read_metadata(path).get(REGIONS, "").split(","))
    return replace(config, regions=regions) if regions and regions != config.regions else config


def describe_regions(words: Iterable[RegionWord]) -> dict[str, str]:
    """Metadata that `add_regions` reads."""
    return {REGIONS: ",".join(words)}
