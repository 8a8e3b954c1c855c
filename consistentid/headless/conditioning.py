"""What the UNet reads in each of the two stages: text embeddings, facial tokens in them, and ID tokens."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..adapter.checkpoint import Adapter
from ..adapter.tokens import Pair, PlacedAdapter
from ..identity import Identity
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
        """Text and pooled text for `count` pictures, see `stack_rows`."""
        text = stack_rows(self.positive, self.negative, count, guided)
        if self.pooled is None or self.negative_pooled is None:
            return text, None
        return text, stack_rows(self.pooled, self.negative_pooled, count, guided)


@dataclass(frozen=True)
class Conditioning:
    """text: read up to the merge point; facial: after it. id_tokens: None for a UNet without an adapter."""

    text: Stage
    facial: Stage
    id_tokens: Pair | None = None

    def stack_id_tokens(self, count: int = 1, guided: bool = True) -> Tensor | None:
        """ID tokens [B, 4, D] for `count` pictures, see `stack_rows`; None without any."""
        if self.id_tokens is None:
            return None
        return stack_rows(self.id_tokens.person[None], self.id_tokens.nobody[None], count, guided)


def stack_rows(positive: Tensor, negative: Tensor, count: int, guided: bool) -> Tensor:
    """Rows for `count` pictures as diffusers batches them: negative before positive, which is alone if not guided."""
    return torch.cat([negative, positive] if guided else [positive]).repeat_interleave(count, dim=0)


@torch.inference_mode()
def encode_prompt(
    clip: ClipText, adapter: Adapter, identity: Identity, composed: FacialPrompt, negative: str = ""
) -> Conditioning:
    """Everything the UNet reads for a composed prompt (see `compose_for_identity`); float32 on the CPU.

    IncompatibleModelError for an identity that other models have made than the adapter was trained on.
    """
    networks = PlacedAdapter.find(adapter)
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
