"""What the UNet reads in each of the two stages: text embeddings, facial tokens in them, and ID tokens."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..adapter import tokens
from ..adapter.checkpoint import Adapter
from ..adapter.config import AdapterConfig
from ..adapter.tokens import Pair
from ..identity import Identity
from ..identity.compatibility import check_adapter
from ..prompt.align import FacialPrompt
from ..prompt.encode import Texts, encode_plain, encode_stages, repeat_text
from .clip_text import ClipText


@dataclass(frozen=True)
class Stage:
    """Text embeddings of one stage, [1, T, D] of one length; pooled ones [1, 1280] in SDXL, else None."""

    positive: Tensor
    negative: Tensor
    pooled: Tensor | None = None
    negative_pooled: Tensor | None = None

    def stack(self, count: int = 1, guided: bool = True) -> tuple[Tensor, Tensor | None]:
        """Rows for `count` pictures as diffusers batches them, negative before positive; pooled ones likewise."""
        rows = ([self.negative] if guided else []) + [self.positive]
        pooled = ([self.negative_pooled] if guided else []) + [self.pooled]
        return stack_rows(rows, count), None if self.pooled is None else stack_rows(pooled, count)


@dataclass(frozen=True)
class Conditioning:
    """text: read up to the merge point; facial: after it. id_tokens: None for a UNet without an adapter."""

    text: Stage
    facial: Stage
    id_tokens: Pair | None = None

    def stack_id_tokens(self, count: int = 1, guided: bool = True) -> Tensor:
        """ID tokens [B, 4, D] for `count` pictures, in the order of `Stage.stack`."""
        rows = ([self.id_tokens.nobody] if guided else []) + [self.id_tokens.person]
        return torch.stack(rows).repeat_interleave(count, dim=0)


def stack_rows(rows: list[Tensor], count: int) -> Tensor:
    return torch.cat(rows).repeat_interleave(count, dim=0)


@dataclass(frozen=True)
class PlacedAdapter:
    """AdapterNetworks that run where their weights are, in the precision of these."""

    adapter: Adapter

    @property
    def config(self) -> AdapterConfig:
        return self.adapter.config

    def encode_regions(self, identity: Identity) -> tuple[dict[str, Tensor], Tensor]:
        check_adapter(identity, self.config, self.adapter.source)
        return tokens.encode_regions(self.adapter, identity, *self._find_place())

    def fuse(self, text: Tensor, region_tokens: Tensor, positions: Tensor, strengths: Tensor | None = None) -> Tensor:
        return tokens.fuse_tokens(self.adapter, text, region_tokens, positions, strengths, *self._find_place())

    @torch.inference_mode()
    def project_identity(self, identity: Identity) -> Pair:
        check_adapter(identity, self.config, self.adapter.source)
        weight = self.adapter.id_projection.norm.weight
        return tokens.project_identity(self.adapter, identity, weight.device, weight.dtype)

    def _find_place(self) -> tuple[torch.device, torch.dtype]:
        weight = self.adapter.facial_encoder.fuse_module.layer_norm.weight
        return weight.device, weight.dtype


@torch.inference_mode()
def encode_prompt(
    clip: ClipText, adapter: Adapter, identity: Identity, composed: FacialPrompt, negative: str = ""
) -> Conditioning:
    """Everything the UNet reads for a composed prompt (see `compose_for_identity`); float32 on the CPU.

    IncompatibleModelError for an identity that other models have made than the adapter was trained on.
    """
    networks = PlacedAdapter(adapter)
    id_tokens = networks.project_identity(identity)
    negatives = encode_plain(clip, negative, composed.is_published)
    stages = encode_stages(clip, networks, [identity], composed, negatives)
    return Conditioning(_read_stage(stages.text), _read_stage(stages.facial), id_tokens)


def _read_stage(texts: Texts) -> Stage:
    (positive,), (negative,) = texts
    return make_stage(positive.rows, negative.rows, positive.extra, negative.extra)


def make_stage(positive: Tensor, negative: Tensor, pooled: Tensor | None, negative_pooled: Tensor | None) -> Stage:
    """A stage whose two texts are repeated to one length, which leaves attention to each as it is."""
    length = math.lcm(positive.shape[1], negative.shape[1])
    return Stage(repeat_text(positive, length), repeat_text(negative, length), pooled, negative_pooled)
