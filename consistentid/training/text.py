"""Captions of a batch -> text embeddings and the places of facial tokens in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..adapter.config import AdapterConfig
from ..headless.clip_text import ClipText
from ..ports import Chunks
from ..prompt.align import TEXT_TOKENS, compose_prompt
from ..prompt.tokens import make_counter, tokenize_marked, tokenize_plain
from .samples import Sample


@dataclass(frozen=True)
class TrainingText:
    """One text of exactly 77 tokens. ids: for each text encoder; positions: of its facial tokens, and regions: their
    region keys, in marker order."""

    ids: list[list[int]]
    positions: list[int]
    regions: list[str]


def mark_sample(
    clip: ClipText, sample: Sample, keys: Sequence[str], config: AdapterConfig, alignment: str = "auto"
) -> TrainingText:
    """The text that goes with a picture and these of its regions: composed as for inference, then cut to 77 tokens, its
    end token kept.

    Facial tokens that would stand beyond the cut are left out.
    """
    count = make_counter(clip, alignment)
    composed = compose_prompt(sample.caption, sample.facial_caption, keys, config, count, alignment)
    tokens = tokenize_marked(clip, composed)
    # A published alignment may have fewer keys than markers.
    pairs = zip(tokens.stack_positions(config).tolist(), composed.regions, strict=False)
    kept = [(position, key) for position, key in pairs if position < TEXT_TOKENS]
    return TrainingText(_take_first(tokens.chunks), [position for position, _ in kept], [key for _, key in kept])


def mark_plain(clip: ClipText, text: str = "") -> TrainingText:
    """A text without facial tokens, cut to 77 tokens."""
    return TrainingText(_take_first(tokenize_plain(clip, text)), [], [])


@torch.no_grad()
def encode_texts(clip: ClipText, texts: list[TrainingText]) -> tuple[Tensor, Tensor | None]:
    """Text embeddings [B, 77, D], and SDXL's pooled ones [B, 1280], in float32 where the encoders are."""
    return clip.encode_ids([[text.ids[number] for text in texts] for number in range(len(clip.encoders))])


def place_tokens(texts: list[TrainingText], device) -> dict:
    """Where facial tokens stand, as ModelInputs describes it."""
    width = max(1, *(len(text.positions) for text in texts))
    padded = [text.positions + [0] * (width - len(text.positions)) for text in texts]
    valid = [[place < len(text.positions) for place in range(width)] for text in texts]
    return {
        "places": torch.tensor([place for text in texts for place in text.positions or [0]], device=device),
        "strengths": torch.tensor([x for text in texts for x in [1.0] * len(text.positions) or [0.0]], device=device),
        "counts": [max(len(text.positions), 1) for text in texts],
        "positions": torch.tensor(padded, device=device),
        "valid": torch.tensor(valid, device=device),
    }


def stack_masks(samples: list[Sample], texts: list[TrainingText], size) -> Tensor:
    """Masks [B, N, h, w] of the regions of facial tokens; zeros where there is no token."""
    width = max(1, *(len(text.regions) for text in texts))
    masks = torch.zeros(len(samples), width, *samples[0].person.shape[1:])
    for row, (sample, text) in enumerate(zip(samples, texts, strict=True)):
        for place, key in enumerate(text.regions):
            masks[row, place] = sample.masks[key] / 255
    return F.interpolate(masks, size, mode="bilinear", antialias=True)


def _take_first(chunks: Chunks) -> list[list[int]]:
    return [[token for token, _ in first] for first, *_ in chunks.values()]
