"""What the UNet reads in each of the two stages: text embeddings, facial tokens in them, and ID tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..adapter.attention_maps import FacialTokens, repeat_positions
from ..adapter.checkpoint import Adapter
from ..adapter.masks import AttentionMask, TokenMask, mask_tokens
from ..adapter.tokens import Pair, PlacedAdapter
from ..identity import Identity
from ..identity.people import Person, list_masked, list_people
from ..prompt.align import FacialPrompt
from ..prompt.encode import Texts, encode_plain, encode_stages, find_tokens, repeat_text
from .clip_text import ClipText
from .masks import Words


@dataclass(frozen=True)
class Stage:
    """Text embeddings of one stage, [N, T, D] of one length; pooled ones [N, 1280] in SDXL, else None. N is 1, but for
    several pictures at once (see `unite_conditionings`).

    words, negative_words: those that act inside a mask only.
    """

    positive: Tensor
    negative: Tensor
    pooled: Tensor | None = None
    negative_pooled: Tensor | None = None
    words: tuple[TokenMask, ...] = ()
    negative_words: tuple[TokenMask, ...] = ()

    def stack(self, count: int = 1, guided: bool = True) -> tuple[Tensor, Tensor | None]:
        """Text and pooled text for `count` pictures, see `stack_rows`."""
        text = stack_rows(self.positive, self.negative, count, guided)
        if self.pooled is None or self.negative_pooled is None:
            return text, None
        return text, stack_rows(self.pooled, self.negative_pooled, count, guided)

    def list_words(self, count: int = 1, guided: bool = True) -> Words:
        """Of each row for `count` pictures, see `stack_rows`."""
        return (self.negative_words,) * (count * guided) + (self.words,) * count


@dataclass(frozen=True)
class Conditioning:
    """text: read up to the merge point; facial: after it.

    id_tokens: [4, D] of one person, [P, 4, D] of several, [N, 4, D] for several pictures; None for a UNet without an
    adapter. people: where they are; none for one person in the whole picture. tokens: places of the facial tokens in
    the facial text, by region.
    """

    text: Stage
    facial: Stage
    id_tokens: Pair | None = None
    people: tuple[Person, ...] = ()
    tokens: FacialTokens = field(default_factory=dict)

    def stack_id_tokens(self, count: int = 1, guided: bool = True) -> Tensor | None:
        """ID tokens [B, 4, D] or [B, P, 4, D] for `count` pictures, see `stack_rows`; None without any."""
        if self.id_tokens is None:
            return None
        is_united = self.id_tokens.person.ndim == 3 and not self.people
        person, nobody = (tokens if is_united else tokens[None] for tokens in self.id_tokens)
        return stack_rows(person, nobody, count, guided)


def unite_conditionings(conditionings: Sequence[Conditioning]) -> Conditioning:
    """What several pictures of one run are told, each its own: of one base model, all with ID tokens or all without."""
    tokens = [one.id_tokens for one in conditionings if one.id_tokens is not None]
    return Conditioning(
        _unite_stages([one.text for one in conditionings]),
        _unite_stages([one.facial for one in conditionings]),
        Pair(*map(torch.stack, zip(*tokens, strict=True))) if tokens else None,
    )


def _unite_stages(stages: Sequence[Stage]) -> Stage:
    length = math.lcm(*(stage.positive.shape[1] for stage in stages))
    positive, negative = (
        torch.cat([repeat_text(text, length) for text in texts])
        for texts in ([stage.positive for stage in stages], [stage.negative for stage in stages])
    )
    pooled = [stage.pooled for stage in stages if stage.pooled is not None]
    negative_pooled = [stage.negative_pooled for stage in stages if stage.negative_pooled is not None]
    if not pooled:
        return Stage(positive, negative)
    return Stage(positive, negative, torch.cat(pooled), torch.cat(negative_pooled))


def stack_rows(positive: Tensor, negative: Tensor, count: int, guided: bool) -> Tensor:
    """Rows for `count` pictures as diffusers batches them: negative before positive, which is alone if not guided."""
    return torch.cat([negative, positive] if guided else [positive]).repeat_interleave(count, dim=0)


@torch.inference_mode()
def encode_prompt(
    clip: ClipText,
    adapter: Adapter,
    people: Identity | tuple[Person, ...],
    composed: FacialPrompt,
    negative: str = "",
) -> Conditioning:
    """Everything the UNet reads for a prompt that was composed for these people (see `compose_text`); float32 on the
    CPU.

    IncompatibleModelError for an identity that other models have made than the adapter was trained on.
    """
    networks = PlacedAdapter.find(adapter)
    people = list_people(people)
    identities = [person.identity for person in people]
    pairs = [networks.project_identity(identity) for identity in identities]
    negatives = encode_plain(clip, negative, composed.is_published)
    stages = encode_stages(clip, networks, identities, composed, negatives, list_masked(people))
    masks = [person.mask for person in people]
    text, facial = _read_stage(stages.text, masks), _read_stage(stages.facial, masks)
    length = stages.facial.positive[0].rows.shape[1]
    tokens = find_tokens(composed, stages.positions)
    tokens = {key: repeat_positions(own, length, facial.positive.shape[1]) for key, own in tokens.items()}
    if len(people) == 1 and people[0].mask is None and people[0].weight == 1:
        return Conditioning(text, facial, pairs[0], tokens=tokens)
    person, nobody = map(torch.stack, zip(*pairs, strict=True))
    return Conditioning(text, facial, Pair(person, nobody), people, tokens)


def _read_stage(texts: Texts, masks: Sequence[AttentionMask | None]) -> Stage:
    (positive,), (negative,) = texts
    words, negative_words = (mask_tokens(masks, entry.own, entry.rows.shape[1]) for (entry,) in texts)
    stage = make_stage(positive.rows, negative.rows, positive.extra, negative.extra)
    return replace(stage, words=words, negative_words=negative_words)


def make_stage(positive: Tensor, negative: Tensor, pooled: Tensor | None, negative_pooled: Tensor | None) -> Stage:
    """A stage whose two texts are repeated to one length, which leaves attention to each as it is."""
    length = math.lcm(positive.shape[1], negative.shape[1])
    return Stage(repeat_text(positive, length), repeat_text(negative, length), pooled, negative_pooled)
