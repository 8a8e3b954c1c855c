"""Text encoders of a diffusers pipeline: long prompts in chunks of 77, and where their facial tokens go.

Brackets and embedding names are text here. Both of SDXL's encoders share a vocabulary, so one set of ids serves both.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..adapter.config import SD15, AdapterConfig
from ..caption.align import TEXT_TOKENS, FacialPrompt, cut_published, find_positions, fold_marker
from ..caption.mark import MARKER
from ..errors import IncompatibleModelError
from ..face2diffusion.encoder import TextIdentity
from ..face2diffusion.word import split_words

# Stands in for the marker while tokenising: a word of its own, whose tokens do not depend on its neighbours.
_WORD = "qzqfacialqzq"
_MARK = -1
_CHUNK = TEXT_TOKENS - 2


@dataclass(frozen=True)
class TokenizedText:
    """Ids of a text for each text encoder, [chunks][77]; positions: of the marked words, counted over all chunks."""

    ids: list[list[list[int]]]
    positions: list[int]


class ClipText:
    """The tokenizers and text encoders of a Stable Diffusion pipeline; CLIP-L, in SDXL also bigG.

    people: {normalised word: who it is} in texts for SD1.x, see `split_words`.
    """

    def __init__(self, pipeline, config: AdapterConfig, people: Mapping[str, TextIdentity] | None = None):
        names = ["", "_2"][: len(config.text_encoders)]
        self.tokenizers = [getattr(pipeline, f"tokenizer{name}", None) for name in names]
        self.encoders = [getattr(pipeline, f"text_encoder{name}", None) for name in names]
        found = [getattr(getattr(encoder, "config", None), "hidden_size", None) for encoder in self.encoders]
        expected = [width for _, width in config.text_encoders]
        if found != expected or None in self.tokenizers:
            raise IncompatibleModelError(
                f"{config.title} needs text encoders of widths {expected} with their tokenizers; this pipeline has "
                f"{found}."
            )
        self.words = list(people or {})
        self.vectors = torch.cat([person.vectors for person in people.values()]) if people else None
        if people and config.name != SD15.name:
            raise IncompatibleModelError(f"Face2Diffusion's words are for SD1.4 and SD1.5, not for {config.title}.")

    def count_tokens(self, text: str) -> int:
        """Begin and end included, a marker counting as one."""
        return len(self._split(text.replace(MARKER, " "))) + text.count(MARKER) + 2

    def tokenize(self, text: str) -> TokenizedText:
        """A text of any length, without facial tokens."""
        return TokenizedText(self._chunk(self._split(text)), [])

    def place_markers(self, prompt: FacialPrompt) -> TokenizedText:
        """The plain text, and the places of its marked words."""
        plain = self._split(prompt.plain)
        marked = self._split(prompt.marked.replace(MARKER, f" {_WORD} "))
        ordinals = find_positions(marked, plain, self._split(_WORD))
        places = [
            number * TEXT_TOKENS + index + 1
            for number, part in enumerate(_cut_chunks(plain))
            for index in range(len(part))
        ]
        positions = [places[ordinal] if ordinal >= 0 else 0 for ordinal in ordinals]
        return TokenizedText(self._chunk(plain), positions)

    def tokenize_published(self, text: str) -> TokenizedText:
        """As released: one chunk, the rest cut off, the end token kept."""
        ids = []
        for number, tokenizer in enumerate(self.tokenizers):
            cut = self._frame(self._split(text, number)[:_CHUNK], number)
            ids.append([cut_published(cut, _MARK, tokenizer.pad_token_id)[0]])
        return TokenizedText(ids, [])

    def cut_markers(self, prompt: FacialPrompt) -> TokenizedText:
        """As released: one chunk, the end token lost when the text is longer.

        SDXL's second encoder reads the markers as text, and gets the positions of the first.
        """
        marked = fold_marker(self._split(prompt.marked.replace(MARKER, f" {_WORD} ")), self._split(_WORD), _MARK)
        first, positions = cut_published(self._frame(marked), _MARK, self.tokenizers[0].pad_token_id)
        ids = [[first]]
        for number in range(1, len(self.tokenizers)):
            literal = self._frame(self._split(prompt.marked, number), number)
            ids.append([cut_published(literal, _MARK, self.tokenizers[number].pad_token_id)[0]])
        return TokenizedText(ids, positions)

    @torch.inference_mode()
    def encode(self, text: TokenizedText) -> tuple[Tensor, Tensor | None]:
        """Text embedding [1, chunks * 77, D] in float32 on the CPU, and SDXL's pooled one [1, 1280] of the first chunk.

        SD1.5: the last hidden state with final norm; SDXL: the penultimate ones of both encoders.
        """
        pooled, hidden = None, []
        for encoder, chunks in zip(self.encoders, text.ids, strict=True):
            ids = torch.tensor(chunks, device=encoder.device)
            if len(self.encoders) == 1:
                with self._put_people(encoder, ids) as known:
                    states = encoder(known).last_hidden_state
            else:
                out = encoder(ids, output_hidden_states=True)
                states, pooled = out.hidden_states[-2], getattr(out, "text_embeds", None)
            hidden.append(states.float().cpu().flatten(0, 1)[None])
        return torch.cat(hidden, dim=-1), None if pooled is None else pooled[:1].float().cpu()

    @contextmanager
    def _put_people(self, encoder: nn.Module, ids: Tensor) -> Iterator[Tensor]:
        """Ids the encoder knows; inside the block its embeddings have the vectors of people, without a position."""
        if not (ids < _MARK).any():
            yield ids
            return

        def put(module, arguments, embeddings: Tensor) -> Tensor:
            embeddings = embeddings.clone()
            embeddings[ids < _MARK] = self.vectors.to(embeddings)[_MARK - 1 - ids[ids < _MARK]]
            return embeddings

        hook = getattr(encoder, "text_model", encoder).embeddings.register_forward_hook(put)
        try:
            yield ids.clamp(min=0)
        finally:
            hook.remove()

    def _split(self, text: str, encoder: int = 0) -> list[int]:
        """Token ids; a person's two vectors are -2 - 2n and -3 - 2n, n being the number of the word."""
        ids: list[int] = []
        for place, part in enumerate(split_words(text, self.words)):
            if place % 2:
                first = _MARK - 1 - 2 * self.words.index(part)
                ids += (first, first - 1)
            else:
                ids += self.tokenizers[encoder](part, add_special_tokens=False, verbose=False).input_ids
        return ids

    def _frame(self, ids: list[int], encoder: int = 0) -> list[int]:
        tokenizer = self.tokenizers[encoder]
        return [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]

    def _chunk(self, ids: list[int]) -> list[list[list[int]]]:
        """Ids in framed and padded chunks, for each encoder with its own padding."""
        return [
            [self._frame(part) + [tokenizer.pad_token_id] * (_CHUNK - len(part)) for part in _cut_chunks(ids)]
            for tokenizer in self.tokenizers
        ]


def _cut_chunks(ids: list[int]) -> list[list[int]]:
    """Parts of 75 ids at most, at least one part; a person's two vectors stay together."""
    parts: list[list[int]] = []
    start = 0
    while start < len(ids) or not parts:
        end = start + _CHUNK
        if any(token < _MARK and token % 2 == 0 for token in ids[end - 1 : end]):
            end -= 1
        parts.append(ids[start:end])
        start = end
    return parts
