"""Tokens of ComfyUI's CLIP: where facial tokens go in a prompt, in every text encoder."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..consistentid.adapter.config import AdapterConfig
from ..consistentid.caption.align import TEXT_TOKENS, FacialPrompt, cut_published, find_positions
from ..consistentid.caption.mark import MARKER
from ..consistentid.errors import IncompatibleModelError

# Stands in for the marker while tokenising: a word of its own, whose tokens do not depend on its neighbours.
_WORD = "qzqfacialqzq"
_MARK = -1


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


def count_tokens(clip, text: str, disable_weights: bool = False) -> int:
    """Tokens of a text in the first encoder, begin and end included, a marker counting as one.

    disable_weights: brackets are text and not emphasis, as in the released code.
    """
    options = {"return_word_ids": True, "disable_weights": disable_weights}
    chunks = next(iter(clip.tokenize(text.replace(MARKER, " "), **options).values()))
    return len(_flatten(chunks)) + text.count(MARKER) + 2


def place_markers(clip, prompt: FacialPrompt) -> MarkedTokens:
    """Tokenise the plain text (emphasis, embeddings and several chunks included) and find the marked positions."""
    marked = clip.tokenize(prompt.marked.replace(MARKER, f" {_WORD} "), return_word_ids=True)
    plain = clip.tokenize(prompt.plain, return_word_ids=True)
    word = clip.tokenize(_WORD, return_word_ids=True)
    positions = {}
    for encoder, chunks in plain.items():
        places = _flatten(chunks)
        ordinals = find_positions(
            _tokens(marked[encoder]),
            [token for _, token in places],
            _tokens(word[encoder]),
        )
        positions[encoder] = [places[ordinal][0] if ordinal >= 0 else 0 for ordinal in ordinals]
    return MarkedTokens(clip.tokenize(prompt.plain), positions)


def cut_markers(clip, prompt: FacialPrompt) -> MarkedTokens:
    """As released: 77 tokens at most, no emphasis, the end token lost when the text is longer.

    SDXL's second encoder reads the markers as text, and gets the positions of the first.
    """
    word = clip.tokenize(_WORD, return_word_ids=True)
    marked = _tokenize_literally(clip, prompt.marked.replace(MARKER, f" {_WORD} "))
    begin, end, pad = _frame(clip, "l")
    ids = _join_word(marked["l"], _tokens(word["l"]))
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
    """Token ids by encoder, brackets being text. In SDXL's second encoder "!" is the padding token, as released."""
    options = {"return_word_ids": True, "disable_weights": True}
    ids = {encoder: _tokens(chunks) for encoder, chunks in clip.tokenize(text, **options).items()}
    if "g" in ids:
        first, *others = (_tokens(clip.tokenize(part, **options)["g"]) for part in text.split("!"))
        pad = _frame(clip, "g")[2]
        ids["g"] = [*first, *(token for part in others for token in (pad, *part))]
    return ids


def _tokens(chunks: list[list[tuple]]) -> list:
    return [token for _, token in _flatten(chunks)]


def _frame(clip, encoder: str) -> tuple[int, int, int]:
    """The encoder's begin, end and padding tokens."""
    chunk = clip.tokenize("")[encoder][0]
    return chunk[0][0], chunk[1][0], chunk[-1][0]


def _flatten(chunks: list[list[tuple]]) -> list[tuple[int, object]]:
    """(absolute position, token id or embedding vector) of all tokens that belong to words."""
    return [
        (number * len(chunk) + index, tuple(token.flatten().tolist()) if isinstance(token, Tensor) else token)
        for number, chunk in enumerate(chunks)
        for index, (token, _, word) in enumerate(chunk)
        if word != 0
    ]


def _join_word(ids: list, word: list) -> list:
    joined, index = [], 0
    while index < len(ids):
        is_word = ids[index : index + len(word)] == word
        joined.append(_MARK if is_word else ids[index])
        index += len(word) if is_word else 1
    return joined
