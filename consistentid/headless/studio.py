"""What draws the pictures of a plan: the pipeline with the adapter in it, loaded once."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from ..adapter.checkpoint import Adapter
from ..adapter.config import find_config
from ..adapter.schedule import Schedule
from ..face2diffusion.encoder import TextIdentity
from .conditioning import Conditioning, unite_conditionings
from .kept_people import KeptPeople
from .pipeline import Sampling, sample
from .plan import Row
from .portrait import change_person, encode_text, encode_word_text, make_sampling, prepare_pipeline
from .portrait_settings import PortraitSettings
from .unet import InstalledAdapter, install_adapter

Weights = tuple[float, Schedule | None]
"""Weight and schedule of the ID tokens, which a group of pictures shares."""


@dataclass(frozen=True)
class Asked:
    """A row that is ready to be drawn, its settings complete, and what the UNet is told."""

    row: Row
    settings: PortraitSettings
    conditioning: Conditioning


class Studio:
    """adapter: None where a word alone is the person. words: {photo: those of the prompt that are people}."""

    def __init__(
        self,
        settings: PortraitSettings,
        adapter: Adapter | None,
        people: KeptPeople,
        words: dict[str, dict[str, TextIdentity]],
    ):
        self.settings, self.adapter, self.people, self.words = settings, adapter, people, words
        self.pipeline: Any = prepare_pipeline(settings, adapter.config if adapter else find_config(settings.base))
        self.installed: InstalledAdapter | None = install_adapter(self.pipeline.unet, adapter) if adapter else None
        self._sampling = make_sampling(replace(settings, seed=0))

    def prepare(self, row: Row) -> tuple[Weights, Asked]:
        """What the UNet is told for a row, and the weight and the schedule of the person in it."""
        own = {name: getattr(row.settings, name) for name in ("face", "identity", "prompt", "negative", "caption")}
        seed = random.randrange(2**32) if row.settings.seed is None else row.settings.seed
        settings = replace(self.settings, **own, change=row.settings.change, seed=seed)
        words = self.words.get(settings.face, {})
        identity = self.people.load(settings)
        if identity is None or self.adapter is None:
            base = find_config(settings.base)
            return (0.0, None), Asked(row, settings, encode_word_text(self.pipeline, base, words, settings))
        changed = change_person(identity, settings)
        _, conditioning = encode_text(self.pipeline, self.adapter, changed, words, settings)
        return (settings.weight * changed.weight, changed.schedule), Asked(row, settings, conditioning)

    def draw(self, weights: Weights, group: Sequence[Asked]) -> list[Image.Image]:
        """All pictures of a group, row after row."""
        if self.installed:
            self.installed.set_weights(weights[0], self.settings.lora_weight, weights[1])
        sampling: Sampling = replace(
            self._sampling, seeds=tuple(seed for asked in group for seed in _list_seeds(asked))
        )
        conditionings = [asked.conditioning for asked in group]
        told = conditionings[0] if len(group) == 1 else unite_conditionings(conditionings)
        return sample(self.pipeline, told, sampling, self.installed)


def _list_seeds(asked: Asked) -> range:
    first = asked.settings.seed or 0
    return range(first, first + asked.settings.batch)
