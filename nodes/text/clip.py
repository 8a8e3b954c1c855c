"""Tokens of ComfyUI's CLIP: where facial tokens go in a prompt, in every text encoder."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from ...consistentid.adapter.config import SDXL, AdapterConfig
from ...consistentid.caption.align import TEXT_TOKENS, FacialPrompt, cut_published, find_positions, fold_marker
from ...consistentid.caption.mark import MARKER
from ...consistentid.errors import CaptionError, IncompatibleModelError

# Stands in for the marker while tokenising: a word of its own, whose tokens do not depend on its neighbours.
_WORD = "qzqfacialqzq"
_MARK = -1
_WIDTHS = dict(SDXL.text_encoders)


@dataclass(frozen=True)
class MarkedTokens:
    """ComfyUI tokens {encoder: chunks} of a text, and for each marker its absolute position in each encoder."""

    tokens: dict
    positions: dict[str, list[int]]

    @property
    def count(self) -> int:
        return len(next(iter(self.positions.values())))

    def channel_positions(self, config: AdapterConfig) -> Tensor:
        """Positions of N markers for each channel of the text embedding, [N, D]."""
        columns = [
            torch.tensor(self.positions[encoder], dtype=torch.long)[:, None].expand(-1, width)
            for encoder, width in config.text_encoders
        ]
        return torch.cat(columns, dim=1)

    def check_rows(self, text: Tensor) -> None:
        """Raises CaptionError unless the text embedding [1, T, D] has a row for each token."""
        counts = {sum(map(len, chunks)) for chunks in self.tokens.values()}
        if text.shape[1] not in counts:
            raise CaptionError(
                f"This CLIP gives {text.shape[1]} rows for a text of {max(counts)} tokens, so it cannot be told which "
                "are those of facial tokens. Another node has changed CLIP, as NegPip does for negative weights in the "
                "prompt: connect the CLIP from before that node."
            )


def check_encoders(clip, config: AdapterConfig, source: str) -> None:
    """IncompatibleModelError unless the CLIP has the text encoders of the adapter's base model."""
    found = sorted(clip.tokenize(""))
    expected = sorted(name for name, _ in config.text_encoders)
    if found != expected:
        raise IncompatibleModelError(
            f"The adapter {source} is for {config.title} and needs a CLIP with the text encoders "
            f"{' and '.join(expected)}, but this one has {' and '.join(found)}. Use the CLIP of the same checkpoint as "
            "MODEL."
        )


def count_tokens(clip, text: str, literal: bool = False) -> int:
    """Tokens of a text in the first encoder, begin and end included, a marker counting as one.

    literal: brackets and embedding names are text, as in the released code.
    """
    plain = text.replace(MARKER, " ")
    encoders = _tokenize_literally(clip, plain) if literal else _list_tokens(clip.tokenize(plain, return_word_ids=True))
    return len(encoders["l"]) + text.count(MARKER) + 2


def place_markers(clip, prompt: FacialPrompt) -> MarkedTokens:
    """Tokenise the plain text (emphasis, embeddings and several chunks included) and find the marked positions."""
    marked = _list_tokens(clip.tokenize(prompt.marked.replace(MARKER, f" {_WORD} "), return_word_ids=True))
    word = _list_tokens(clip.tokenize(_WORD, return_word_ids=True))
    plain = clip.tokenize(prompt.plain, return_word_ids=True)
    positions = {}
    for encoder, chunks in plain.items():
        places = _flatten(chunks, encoder)
        ordinals = find_positions(marked[encoder], [token for _, token in places], word[encoder])
        positions[encoder] = [places[ordinal][0] if ordinal >= 0 else 0 for ordinal in ordinals]
    tokens = {
        encoder: [[(token, weight) for token, weight, _ in chunk] for chunk in chunks]
        for encoder, chunks in plain.items()
    }
    return MarkedTokens(tokens, positions)


def cut_markers(clip, prompt: FacialPrompt) -> MarkedTokens:
    """As released: 77 tokens at most, no emphasis, the end token lost when the text is longer.

    SDXL's second encoder reads the markers as text, and gets the positions of the first.
    """
    word = _list_tokens(clip.tokenize(_WORD, return_word_ids=True))
    marked = _tokenize_literally(clip, prompt.marked.replace(MARKER, f" {_WORD} "))
    begin, end, pad = _frame(clip, "l")
    ids = fold_marker(marked["l"], word["l"], _MARK)
    ids, positions = cut_published([begin, *ids, end], _MARK, pad)
    tokens = {"l": _weigh(ids)}
    if "g" in marked:
        begin, end, pad = _frame(clip, "g")
        literal = _tokenize_literally(clip, prompt.marked)["g"]
        tokens["g"] = _weigh(cut_published([begin, *literal, end], _MARK, pad)[0])
    return MarkedTokens(tokens, dict.fromkeys(tokens, positions))


def tokenize_text(clip, text: str, published: bool = False) -> dict:
    """ComfyUI tokens of a text without facial tokens; as released: 77 at most, no emphasis, the end token kept."""
    if not published:
        return clip.tokenize(text)
    tokens = {}
    for encoder, ids in _tokenize_literally(clip, text).items():
        begin, end, pad = _frame(clip, encoder)
        tokens[encoder] = _weigh(cut_published([begin, *ids[: TEXT_TOKENS - 2], end], _MARK, pad)[0])
    return tokens


def _weigh(ids: list[int]) -> list[list[tuple[int, float]]]:
    return [[(token, 1.0) for token in ids]]


def _tokenize_literally(clip, text: str) -> dict[str, list]:
    """Token ids by encoder; brackets and embedding names are text.

    In SDXL's second encoder "!" is the padding token, as released.
    """
    ids = _tokenize_part(clip, text)
    if "g" in ids:
        first, *others = (_tokenize_part(clip, part)["g"] for part in text.split("!"))
        pad = _frame(clip, "g")[2]
        ids["g"] = [*first, *(token for part in others for token in (pad, *part))]
    return ids


def _tokenize_part(clip, text: str) -> dict[str, list]:
    ids: dict[str, list] = {}
    # ComfyUI looks for "embedding:"; cut in two there, it is text.
    for part in re.split(r"(?<=embedding)(?=:)", text):
        tokens = _list_tokens(clip.tokenize(part, return_word_ids=True, disable_weights=True))
        for encoder, more in tokens.items():
            ids.setdefault(encoder, []).extend(more)
    return ids


def _frame(clip, encoder: str) -> tuple[int, int, int]:
    """The encoder's begin, end and padding tokens."""
    chunk = clip.tokenize("")[encoder][0]
    return chunk[0][0], chunk[1][0], chunk[-1][0]


def _list_tokens(encoders: dict[str, list]) -> dict[str, list]:
    return {encoder: [token for _, token in _flatten(chunks, encoder)] for encoder, chunks in encoders.items()}


def _flatten(chunks: list[list[tuple]], encoder: str) -> list[tuple[int, object]]:
    """(absolute position, token id or embedding vector) of all tokens that belong to words.

    Vectors made for another encoder are left out, as the host does: later tokens of their chunk move forward.
    """
    places = []
    for number, chunk in enumerate(chunks):
        moved = 0
        for index, (token, _, word) in enumerate(chunk):
            is_vector = isinstance(token, Tensor)
            if is_vector and token.shape[-1] != _WIDTHS[encoder]:
                moved += 1
            elif word != 0:
                value = tuple(token.flatten().tolist()) if is_vector else token
                places.append((number * len(chunk) + index - moved, value))
    return places
