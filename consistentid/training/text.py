"""Captions of a batch -> text embeddings and the places of facial tokens in them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..adapter.config import AdapterConfig
from ..caption.align import TEXT_TOKENS, compose_prompt
from ..headless.clip_text import ClipText
from .samples import Sample


@dataclass(frozen=True)
class MarkedText:
    """One text of exactly 77 tokens. ids: for each text encoder; positions: of its facial tokens, and regions: their
    region keys, in marker order."""

    ids: list[list[int]]
    positions: list[int]
    regions: list[str]


def mark_sample(clip: ClipText, sample: Sample, config: AdapterConfig, alignment: str = "auto") -> MarkedText:
    """The text that goes with a picture: composed as for inference, then cut to 77 tokens, its end token kept.

    Facial tokens that would stand beyond the cut are left out.
    """
    keys = tuple(sample.masks)
    composed = compose_prompt(sample.caption, sample.facial_caption, keys, config, clip.count_tokens, alignment)
    tokens = clip.cut_markers(composed) if alignment == "published" else clip.place_markers(composed)
    # A published alignment may have fewer keys than markers.
    pairs = zip(tokens.positions, composed.regions, strict=False)
    kept = [(position, key) for position, key in pairs if position < TEXT_TOKENS]
    return MarkedText(_take_first(tokens), [position for position, _ in kept], [key for _, key in kept])


def mark_plain(clip: ClipText, text: str = "") -> MarkedText:
    """A text without facial tokens, cut to 77 tokens."""
    return MarkedText(_take_first(clip.tokenize(text)), [], [])


@torch.no_grad()
def encode_texts(clip: ClipText, texts: list[MarkedText]) -> tuple[Tensor, Tensor | None]:
    """Text embeddings [B, 77, D], and SDXL's pooled ones [B, 1280], in float32 where the encoders are."""
    hidden, pooled = [], None
    for number, encoder in enumerate(clip.encoders):
        ids = torch.tensor([text.ids[number] for text in texts], device=encoder.device)
        if len(clip.encoders) == 1:
            hidden.append(encoder(ids).last_hidden_state)
        else:
            out = encoder(ids, output_hidden_states=True)
            hidden.append(out.hidden_states[-2])
            pooled = getattr(out, "text_embeds", None)
    return torch.cat([states.float() for states in hidden], dim=-1), None if pooled is None else pooled.float()


def place_tokens(texts: list[MarkedText], device) -> dict:
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


def stack_masks(samples: list[Sample], texts: list[MarkedText], size) -> Tensor:
    """Masks [B, N, h, w] of the regions of facial tokens; zeros where there is no token."""
    width = max(1, *(len(text.regions) for text in texts))
    masks = torch.zeros(len(samples), width, *samples[0].person.shape[1:])
    for row, (sample, text) in enumerate(zip(samples, texts, strict=True)):
        for place, key in enumerate(text.regions):
            masks[row, place] = sample.masks[key] / 255
    return F.interpolate(masks, size, mode="bilinear", antialias=True)


def _take_first(tokens) -> list[list[int]]:
    return [chunks[0] for chunks in tokens.ids]
