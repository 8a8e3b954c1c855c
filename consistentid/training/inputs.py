"""The frozen models: pixels and captions of a micro-batch -> what the trained model reads, and what it should say."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..adapter.config import AdapterConfig
from ..headless.clip_vision import ClipVision
from .chance import Chance
from .config import TrainingConfig
from .feature_cache import PHOTO, Features
from .noise import FrozenBase
from .samples import Sample
from .text import TrainingText, encode_texts, mark_plain, mark_sample, place_tokens, stack_masks


@dataclass(frozen=True)
class ModelInputs:
    """Of B pictures with R facial tokens in all, at most N in one.

    noisy, target: [B, 4, h, w]; timesteps: [B]; loss_mask: [B, 1, h, w], where the noise counts.
    text: [B, 77, D]; pooled: [B, 1280] and time_ids: [B, 6] for SDXL, else None. class_text, class_pooled: the same of
    the class prompt, None without one.
    id_embeddings: [B, 512]; photo_features: [B, 257, 1280]; id_weights: [B], 0 where ID tokens alone are dropped.
    region_features: [R, 257, 1280], places: [R] in the text, strengths: [R] and counts: how many of the R in each row.
    A row without facial tokens has one of strength 0, so that every parameter is used in every step.
    region_masks: [B, N, h, w]; positions and valid: [B, N], as the localisation loss reads them.
    """

    noisy: Tensor
    timesteps: Tensor
    target: Tensor
    loss_mask: Tensor
    text: Tensor
    pooled: Tensor | None
    time_ids: Tensor | None
    class_text: Tensor | None
    class_pooled: Tensor | None
    id_embeddings: Tensor
    photo_features: Tensor
    id_weights: Tensor
    region_features: Tensor
    places: Tensor
    strengths: Tensor
    counts: list[int]
    region_masks: Tensor
    positions: Tensor
    valid: Tensor

    def as_arguments(self) -> dict:
        return {item.name: getattr(self, item.name) for item in fields(self)}


class FrozenModels(FrozenBase):
    """What an adapter's training reads pictures and captions with: the base model's networks and the image encoder."""

    def __init__(self, pipeline, clip_vision, base: AdapterConfig, config: TrainingConfig, device, dtype: torch.dtype):
        super().__init__(pipeline, base, config, device, dtype)
        self.clip_vision = clip_vision.to(device, dtype).eval().requires_grad_(False)
        self.zero_features = self.encode_pixels([torch.zeros(3, 224, 224)])[0]

    @torch.no_grad()
    def encode(self, samples: list[Sample]) -> ModelInputs:
        """Everything for one micro-batch. The same samples give the same inputs, in whatever batch they come."""
        latents = self._encode_pictures(samples)
        chances = [self.draw_chance(sample.ordinal, latents.shape[2:]) for sample in samples]
        texts = [
            mark_plain(self.clip) if chance.is_dropped else self.mark(sample, chance.left_out)
            for sample, chance in zip(samples, chances, strict=True)
        ]
        text, pooled = encode_texts(self.clip, texts)
        class_text, class_pooled = self._encode_class(chances)
        features = self._encode_people(samples, texts, chances)
        self._keep(samples, chances, latents, features)
        size, pairs = latents.shape[-2:], zip(samples, chances, strict=True)
        mean, spread = latents.unbind(1)
        return ModelInputs(
            **self._add_noise(mean, spread, chances),
            loss_mask=self._fit_masks([self._choose_mask(*pair) for pair in pairs], size),
            text=text,
            pooled=pooled,
            time_ids=None if pooled is None else self._make_time_ids(samples),
            class_text=class_text,
            class_pooled=class_pooled,
            **self._gather(samples, texts, chances, features),
            **place_tokens(texts, self.device),
            region_masks=stack_masks(samples, texts, size).to(self.device),
        )

    def mark(self, sample: Sample, left_out: Collection[str] = ()) -> TrainingText:
        keys = [key for key in sample.masks if key not in left_out]
        return mark_sample(self.clip, sample, keys, self.base, self.config.alignment)

    @torch.no_grad()
    def encode_pixels(self, pixels: list[Tensor]) -> Tensor:
        """Features [len(pixels), 257, 1280] of pixel values [3, 224, 224], in float32."""
        return ClipVision(self.clip_vision).encode_pixels(torch.stack(pixels))

    def _encode_class(self, chances: list[Chance]) -> tuple[Tensor | None, Tensor | None]:
        """The class prompt for each sample, the empty text where conditions are dropped."""
        words = self.config.class_prompt
        if not words:
            return None, None
        return encode_texts(self.clip, [mark_plain(self.clip, "" if x.is_dropped else words) for x in chances])

    def _encode_pictures(self, samples: list[Sample]) -> Tensor:
        """Mean and spread of the latents, [B, 2, 4, h, w]; an AutoencoderTiny knows no spread."""
        new = [sample.pixels.image for sample in samples if sample.pixels]
        encoded = iter(self._encode_images(torch.stack(new).to(self.device)) if new else ())
        known = (sample.cached.latents.to(self.device) if sample.cached else next(encoded) for sample in samples)
        return torch.stack(list(known))

    def _choose_mask(self, sample: Sample, chance: Chance) -> Tensor:
        """Where the noise counts: the person where chance wants it, else everything. Beside a class prompt the face,
        as published."""
        if not chance.is_masked:
            return torch.ones_like(sample.person)
        return sample.face if self.config.class_prompt else sample.person

    def _make_time_ids(self, samples: list[Sample]) -> Tensor:
        side = self.config.resolution
        return torch.tensor([[*sample.size, 0, 0, side, side] for sample in samples], device=self.device).float()

    def _encode_people(self, samples, texts: list[TrainingText], chances: list[Chance]) -> list[dict[str, Tensor]]:
        """CLIP features of each photo and its marked regions, all that are new in one pass; none where dropped."""
        wanted = [
            {} if chance.is_dropped or sample.cached else {PHOTO: sample.pixels.photo} | {
                key: sample.pixels.regions[key] for key in self._list_wanted(sample, text)
            }
            for sample, text, chance in zip(samples, texts, chances, strict=True)
        ]  # fmt: skip
        pixels = [picture for row in wanted for picture in row.values()]
        encoded = iter(self.encode_pixels(pixels) if pixels else ())
        return [
            {key: next(encoded) for key in row} or ({} if chance.is_dropped else sample.cached.features)
            for sample, chance, row in zip(samples, chances, wanted, strict=True)
        ]

    def _list_wanted(self, sample: Sample, text: TrainingText) -> Iterable[str]:
        """Of which regions features are made: all, if they are kept and chance may choose others the next time."""
        return sample.masks if sample.entry and self.config.extra_regions else text.regions

    def _keep(self, samples: list[Sample], chances: list[Chance], latents: Tensor, features: list[dict]) -> None:
        """Write what is new, but for samples whose conditions were dropped: their features are not known yet."""
        for sample, chance, known, row in zip(samples, chances, latents, features, strict=True):
            if sample.entry and not sample.cached and not chance.is_dropped:
                sample.entry.save(Features(known, row, sample.size), self.clip_vision.dtype)

    def _gather(self, samples, texts: list[TrainingText], chances: list[Chance], features: list[dict]) -> dict:
        """ID embeddings and features in the order of ModelInputs; zeros and zero pixels' features where dropped."""
        pairs = zip(samples, chances, strict=True)
        embeddings = [sample.id_embedding * (not chance.is_dropped) for sample, chance in pairs]
        photos = [row.get(PHOTO, self.zero_features) for row in features]
        regions = [
            row[key] if key else self.zero_features
            for row, text in zip(features, texts, strict=True)
            for key in text.regions or [None]
        ]
        return {
            "id_embeddings": torch.stack(embeddings).to(self.device),
            "photo_features": torch.stack([row.to(self.device) for row in photos]),
            "id_weights": torch.tensor([float(not chance.is_id_dropped) for chance in chances], device=self.device),
            "region_features": torch.stack([row.to(self.device) for row in regions]),
        }
