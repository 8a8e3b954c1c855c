"""What draws the pictures of a plan: the pipeline with the adapter in it, loaded once."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from ..adapter.checkpoint import Adapter
from ..adapter.config import find_config
from ..adapter.schedule import Schedule
from ..errors import ConsistentIDError
from ..face2diffusion.encoder import TextIdentity
from ..identity import Identity
from .conditioning import Conditioning, unite_conditionings
from .kept_people import KeptPeople
from .pipeline import Sampling, sample
from .plan import Row
from .portrait import change_person, encode_text, encode_word_text, make_sampling, prepare_pipeline
from .portrait_settings import PortraitSettings
from .unet import InstalledAdapter, install_adapter

Weights = tuple[float, Schedule | None]
"""Weight and schedule of the ID tokens, which a group of pictures shares."""
Words = dict[str, dict[str, TextIdentity]]
"""{photo: words of the prompt that are people}"""
Drawn = list[Image.Image] | str
"""The pictures of a row, or why it has none."""


@dataclass(frozen=True)
class Asked:
    """A row, and its settings with the seed and all that rows share."""

    row: Row
    settings: PortraitSettings


@dataclass(frozen=True)
class Group:
    """Rows that go through the UNet together."""

    weights: Weights
    asked: tuple[Asked, ...]


def ask(row: Row, shared: PortraitSettings) -> Asked:
    own = {name: getattr(row.settings, name) for name in ("face", "identity", "prompt", "negative", "caption")}
    seed = random.randrange(2**32) if row.settings.seed is None else row.settings.seed
    return Asked(row, replace(shared, **own, change=row.settings.change, seed=seed))


def weigh(identity: Identity | None, settings: PortraitSettings) -> Weights:
    """identity: None where a word alone is the person."""
    if identity is None:
        return 0.0, None
    changed = change_person(identity, settings)
    return settings.weight * changed.weight, changed.schedule


class Studio:
    """adapter: None where a word alone is the person."""

    def __init__(self, settings: PortraitSettings, adapter: Adapter | None, people: KeptPeople, words: Words):
        self.settings, self.adapter, self.people, self.words = settings, adapter, people, words
        self.pipeline: Any = prepare_pipeline(settings, adapter.config if adapter else find_config(settings.base))
        self.installed: InstalledAdapter | None = install_adapter(self.pipeline.unet, adapter) if adapter else None
        self._sampling = make_sampling(replace(settings, seed=0))

    def draw(self, group: Group) -> list[Drawn]:
        """Of each row of a group. ConsistentIDError for what would fail in every other group too."""
        told: list[Conditioning] = []
        found: list[Drawn] = []
        for asked in group.asked:
            try:
                told.append(self._tell(asked.settings))
                found.append([])
            except ConsistentIDError as error:
                found.append(str(error))
        whole = [asked.settings for asked, one in zip(group.asked, found, strict=True) if not isinstance(one, str)]
        drawn = iter(self._draw(group.weights, whole, told)) if whole else iter(())
        return [one if isinstance(one, str) else next(drawn) for one in found]

    def _tell(self, settings: PortraitSettings) -> Conditioning:
        """What the UNet is told for a row."""
        words = self.words.get(settings.face, {})
        identity = self.people.load(settings)
        if identity is None or self.adapter is None:
            return encode_word_text(self.pipeline, find_config(settings.base), words, settings)
        return encode_text(self.pipeline, self.adapter, change_person(identity, settings), words, settings)[1]

    def _draw(self, weights: Weights, group: Sequence[PortraitSettings], told: Sequence[Conditioning]) -> list[Drawn]:
        """A group that is too large for the device is drawn in halves."""
        try:
            images = self._sample(weights, group, told)
        except torch.OutOfMemoryError as error:
            half = len(group) // 2
            if half:
                return [
                    *self._draw(weights, group[:half], told[:half]),
                    *self._draw(weights, group[half:], told[half:]),
                ]
            raise ConsistentIDError(
                f"One picture of {self.settings.width} x {self.settings.height} is too large for the memory of "
                f"{self.settings.device} ({error}). Try --offload, --dtype float16 or a smaller size."
            ) from error
        except ConsistentIDError as error:
            return [str(error)] * len(group)
        count = self.settings.batch
        return [images[first : first + count] for first in range(0, len(images), count)]

    def _sample(
        self, weights: Weights, group: Sequence[PortraitSettings], told: Sequence[Conditioning]
    ) -> list[Image.Image]:
        if self.installed:
            self.installed.set_weights(weights[0], self.settings.lora_weight, weights[1])
        seeds = [(settings.seed or 0) + number for settings in group for number in range(settings.batch)]
        sampling: Sampling = replace(self._sampling, seeds=tuple(seeds))
        united = told[0] if len(told) == 1 else unite_conditionings(list(told))
        return sample(self.pipeline, united, sampling, self.installed)
