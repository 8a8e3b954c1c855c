"""What the UNet reads in each of the two stages: text embeddings, facial tokens in them, and ID tokens."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..adapter.checkpoint import Adapter
from ..caption.align import FacialPrompt
from ..facial_text import repeat_text, stack_strengths, stack_tokens
from ..identity import Identity
from ..identity.compatibility import check_adapter
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
    """text: read up to the merge point; facial: after it.

    id_tokens: [2, 4, D], unconditional, conditional; None for a UNet without an adapter.
    """

    text: Stage
    facial: Stage
    id_tokens: Tensor | None = None

    def stack_id_tokens(self, count: int = 1, guided: bool = True) -> Tensor:
        """ID tokens for `count` pictures, in the order of `Stage.stack`."""
        return self.id_tokens[0 if guided else 1 :].repeat_interleave(count, dim=0)


def stack_rows(rows: list[Tensor], count: int) -> Tensor:
    return torch.cat(rows).repeat_interleave(count, dim=0)


@torch.inference_mode()
def encode_prompt(
    clip: ClipText,
    adapter: Adapter,
    identity: Identity,
    composed: FacialPrompt,
    negative: str = "",
    alignment: str = "auto",
) -> Conditioning:
    """Everything the UNet reads for a composed prompt (see `compose_for_identity`); float32 on the CPU.

    IncompatibleModelError for an identity that other models have made than the adapter was trained on.
    """
    check_adapter(identity, adapter.config, adapter.source)
    published = alignment == "published"
    tokenize = clip.tokenize_published if published else clip.tokenize
    marked = clip.cut_markers(composed) if published else clip.place_markers(composed)
    *regions, zero = _encode_regions(adapter, identity)
    count = len(marked.positions)
    tokens = stack_tokens(composed, [dict(zip(identity.regions, regions, strict=True))], zero, count)
    strengths = stack_strengths(composed, [identity], count)
    text, pooled = clip.encode(marked)
    facial = fuse_tokens(adapter, text, tokens, marked.positions, strengths)
    facial_pooled = pooled
    if published or composed.before_merge != composed.plain:
        text, pooled = clip.encode(tokenize(composed.before_merge))
    negative_text, negative_pooled = clip.encode(tokenize(negative))
    repeated = repeat_text(negative_text, facial.shape[1])
    facial_negative = fuse_tokens(adapter, repeated, zero[None], marked.positions, strengths)
    before, after = adapter.config.has_facial_negative(published)
    return Conditioning(
        make_stage(text, facial_negative if before else negative_text, pooled, negative_pooled),
        make_stage(facial, facial_negative if after else negative_text, facial_pooled, negative_pooled),
        project_identity(adapter, identity),
    )


def make_stage(positive: Tensor, negative: Tensor, pooled: Tensor | None, negative_pooled: Tensor | None) -> Stage:
    """A stage whose two texts are repeated to one length, which leaves attention to each as it is."""
    length = math.lcm(positive.shape[1], negative.shape[1])
    return Stage(repeat_text(positive, length), repeat_text(negative, length), pooled, negative_pooled)


@torch.inference_mode()
def project_identity(adapter: Adapter, identity: Identity) -> Tensor:
    """ID tokens [2, 4, D] on the CPU: unconditional, conditional."""
    weight = adapter.id_projection.norm.weight
    embeddings, features = (x.flip(0).to(weight) for x in identity.stack_photo())
    return adapter.id_projection(embeddings, features, shortcut=adapter.config.shortcut).float().cpu()


def _encode_regions(adapter: Adapter, identity: Identity) -> Tensor:
    """Tokens [R + 1, D] of the identity's regions and of zero pixels."""
    features = identity.stack_regions(identity.regions)
    return adapter.facial_encoder.encode_regions(features.to(adapter.facial_encoder.fuse_module.layer_norm.weight))


def fuse_tokens(
    adapter: Adapter, text: Tensor, tokens: Tensor, positions: list[int], strengths: Tensor | None = None
) -> Tensor:
    """Facial tokens put into a text embedding [1, T, D] (see FacialEncoder); a new tensor."""
    weight = adapter.facial_encoder.fuse_module.layer_norm.weight
    rows = torch.tensor(positions, dtype=torch.long, device=weight.device)
    return adapter.facial_encoder(text.to(weight), tokens.to(weight), rows, strengths).to(text)
