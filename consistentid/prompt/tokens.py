"""Tokens of a composed prompt in every text encoder: counting, placing facial tokens, cutting as published."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..adapter.config import SD15, SDXL, AdapterConfig
from ..errors import CaptionError
from ..ports import Chunks, LiteralText, TextEncoder
from .align import TEXT_TOKENS, FacialPrompt, Span, cut_published, find_positions, find_segments, fold_marker
from .mark import MARKER

# Stands in for the marker while tokenising: a word of its own, whose tokens do not depend on its neighbours.
_WORD = "qzqfacialqzq"
_MARK = -1
_FIRST = SD15.text_encoders[0][0]
"""The encoder that every base model has: its tokens are counted."""
_WIDTHS = dict(SDXL.text_encoders)


@dataclass(frozen=True)
class MarkedText:
    """Tokens of a text, and for each marker its absolute position in each encoder."""

    chunks: Chunks
    positions: dict[str, list[int]]

    @property
    def count(self) -> int:
        return len(self.positions[_FIRST])

    def stack_positions(self, config: AdapterConfig) -> Tensor:
        """Positions of N markers, [N]; of each channel of the text embedding, [N, D], where encoders differ in them."""
        first, *others = (self.positions[encoder] for encoder, _ in config.text_encoders)
        if all(other == first for other in others):
            return torch.tensor(first, dtype=torch.long)
        columns = [
            torch.tensor(self.positions[encoder], dtype=torch.long)[:, None].expand(-1, width)
            for encoder, width in config.text_encoders
        ]
        return torch.cat(columns, dim=1)

    def check_rows(self, text: Tensor) -> None:
        """Raises CaptionError unless the text embedding [1, T, D] has a row for each token."""
        counts = {sum(map(len, chunks)) for chunks in self.chunks.values()}
        if text.shape[1] not in counts:
            raise CaptionError(
                f"This CLIP gives {text.shape[1]} rows for a text of {max(counts)} tokens, so it cannot be told which "
                "are those of facial tokens. Another node has changed CLIP, as NegPip does for negative weights in the "
                "prompt: connect the CLIP from before that node."
            )


def count_tokens(encoder: TextEncoder, text: str, literal: bool = False) -> int:
    """Tokens of a text in the first encoder, begin and end included, a marker counting as one.

    literal: brackets and embedding names are text, as in the released code.
    """
    plain = text.replace(MARKER, " ")
    words = encoder.tokenize_literally(plain)[_FIRST].ids if literal else encoder.tokenize(plain).words[_FIRST]
    return len(words) + text.count(MARKER) + 2


def make_counter(encoder: TextEncoder, alignment: str) -> Callable[[str], int]:
    """What `compose_prompt` counts tokens with."""
    return partial(count_tokens, encoder, literal=alignment == "published")


def has_row(token: object, encoder: str) -> bool:
    """Whether a token has a row of the text embedding: vectors made for another encoder are left out by the host, and
    later tokens of their chunk move forward."""
    return not isinstance(token, Tensor) or token.shape[-1] == _WIDTHS[encoder]


def tokenize_plain(encoder: TextEncoder, text: str, published: bool = False) -> Chunks:
    """A text without facial tokens; as released: 77 tokens at most, no emphasis, the end token kept."""
    if not published:
        return encoder.tokenize(text).chunks
    return {
        name: _frame(literal._replace(ids=literal.ids[: TEXT_TOKENS - 2]))[0]
        for name, literal in encoder.tokenize_literally(text).items()
    }


def tokenize_marked(encoder: TextEncoder, prompt: FacialPrompt) -> MarkedText:
    """A composed prompt, and where its facial tokens go."""
    return cut_markers(encoder, prompt) if prompt.is_published else place_markers(encoder, prompt)


def place_markers(encoder: TextEncoder, prompt: FacialPrompt) -> MarkedText:
    """The plain text with all the engine can read in it, and the positions of the marked words."""
    marked = encoder.tokenize(_spell_markers(prompt)).words
    word = encoder.tokenize(_WORD).words
    plain = encoder.tokenize(prompt.plain)
    positions = {}
    for name, places in plain.words.items():
        ordinals = find_positions(*(_drop_places(words) for words in (marked[name], places, word[name])))
        positions[name] = [places[ordinal][0] if ordinal >= 0 else 0 for ordinal in ordinals]
    return MarkedText(plain.chunks, positions)


def find_own_tokens(encoder: TextEncoder, text: str, spans: Sequence[Span], count: int) -> tuple[Tensor, ...]:
    """For each of `count` people the positions of the tokens in their spans of a text, which may have markers.

    Where encoders differ in places, a position is a person's if it is in one of them.
    """
    own: list[set[int]] = [set() for _ in range(count)]
    if spans:
        bordered = encoder.tokenize(_spell_borders(text, spans)).words
        word = encoder.tokenize(_WORD).words
        for name, places in encoder.tokenize(text.replace(MARKER, "")).words.items():
            segments = find_segments(*(_drop_places(words) for words in (bordered[name], places, word[name])))
            for span, (start, end) in zip(spans, segments, strict=True):
                own[span.person].update(place for place, _ in places[start:end])
    return tuple(torch.tensor(sorted(places), dtype=torch.long) for places in own)


def cut_markers(encoder: TextEncoder, prompt: FacialPrompt) -> MarkedText:
    """As released: 77 tokens at most, no emphasis, the end token lost when the text is longer.

    SDXL's second encoder reads the markers as text, and gets the positions of the first.
    """
    marked = encoder.tokenize_literally(_spell_markers(prompt))[_FIRST]
    word = encoder.tokenize_literally(_WORD)[_FIRST]
    first, positions = _frame(marked._replace(ids=fold_marker(marked.ids, word.ids, _MARK)))
    literal = encoder.tokenize_literally(prompt.marked)
    chunks = {name: first if name == _FIRST else _frame(text)[0] for name, text in literal.items()}
    return MarkedText(chunks, dict.fromkeys(chunks, positions))


def _spell_markers(prompt: FacialPrompt) -> str:
    return prompt.marked.replace(MARKER, f" {_WORD} ")


def _spell_borders(text: str, spans: Sequence[Span]) -> str:
    borders = [0, *(border for span in spans for border in (span.start, span.end)), len(text)]
    parts = [text[start:end].replace(MARKER, "") for start, end in itertools.pairwise(borders)]
    return f" {_WORD} ".join(parts)


def _drop_places(words: list[tuple]) -> list:
    return [token for _, token in words]


def _frame(text: LiteralText) -> tuple[list[list[tuple[int, float]]], list[int]]:
    """One chunk of exactly 77 tokens, and the positions of marks in it."""
    ids, positions = cut_published([text.begin, *text.ids, text.end], _MARK, text.pad)
    return [[(token, 1.0) for token in ids]], positions
