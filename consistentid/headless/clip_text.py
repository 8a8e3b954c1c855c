"""Text encoders of a diffusers pipeline, which read long prompts in chunks of 77.

Brackets and embedding names are text here. Both of SDXL's encoders share a vocabulary, so one set of ids serves both.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..adapter.config import AdapterConfig
from ..errors import IncompatibleModelError
from ..face2diffusion.encoder import TextIdentity
from ..face2diffusion.word import split_words
from ..ports import Chunks, Entry, LiteralText, TokenizedText
from ..prompt.align import TEXT_TOKENS

_CHUNK = TEXT_TOKENS - 2
PERSON = -2
"""Ids from here on down stand for people: the two vectors of the n-th word are -2 - 2n and -3 - 2n."""


class ClipText:
    """The TextEncoder of a Stable Diffusion pipeline: CLIP-L, in SDXL also bigG. Its entries' extras are SDXL's pooled
    text embeddings [1, 1280], else None.

    people: {normalised word: who it is} in texts for SD1.x, see `split_words`.
    """

    def __init__(self, pipeline, config: AdapterConfig, people: Mapping[str, TextIdentity] | None = None):
        self.names = [name for name, _ in config.text_encoders]
        names = ["", "_2"][: len(self.names)]
        self.tokenizers: list[Any] = [getattr(pipeline, f"tokenizer{name}", None) for name in names]
        self.encoders: list[Any] = [getattr(pipeline, f"text_encoder{name}", None) for name in names]
        found = [getattr(getattr(encoder, "config", None), "hidden_size", None) for encoder in self.encoders]
        expected = [width for _, width in config.text_encoders]
        if found != expected or None in self.tokenizers:
            raise IncompatibleModelError(
                f"{config.title} needs text encoders of widths {expected} with their tokenizers; this pipeline has "
                f"{found}."
            )
        self.words = list(people or {})
        self.vectors = torch.cat([person.vectors for person in people.values()]) if people else None
        if people and config.is_pooled:
            raise IncompatibleModelError(f"Face2Diffusion's words are for SD1.4 and SD1.5, not for {config.title}.")
        if self.vectors is not None and self.vectors.shape[1] != config.width:
            raise IncompatibleModelError(
                f"Face2Diffusion's words are of {self.vectors.shape[1]} values, but the text encoder of {config.title} "
                f"reads {config.width}: they were made for another base model."
            )

    def tokenize(self, text: str) -> TokenizedText:
        parts = _cut_chunks(self._split(text))
        chunks = {name: [_weigh(self._frame(part, number)) for part in parts] for number, name in enumerate(self.names)}
        places = [
            (number * TEXT_TOKENS + index + 1, token)
            for number, part in enumerate(parts)
            for index, token in enumerate(part)
        ]
        return TokenizedText(chunks, dict.fromkeys(self.names, places))

    def tokenize_literally(self, text: str) -> dict[str, LiteralText]:
        return {
            name: LiteralText(self._split(text, number), *self._list_special(number))
            for number, name in enumerate(self.names)
        }

    @torch.inference_mode()
    def encode(self, chunks: Chunks) -> list[Entry]:
        """In float32 on the CPU; the pooled embedding is that of the first chunk."""
        ids = [[[token for token, _ in chunk] for chunk in chunks[name]] for name in self.names]
        rows, pooled = self.encode_ids(ids)
        return [Entry(rows.cpu().flatten(0, 1)[None], None if pooled is None else pooled[:1].cpu())]

    def encode_ids(self, ids: list[list[list[int]]], vectors: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Ids of B chunks for each encoder, [B][77] -> text embeddings [B, 77, D], and SDXL's pooled ones [B, 1280], in
        float32 where the encoders are.

        vectors: [2N, D] of the ids from PERSON down, in place of those of `people`; gradients reach them.
        SD1.5: the last hidden state with final norm; SDXL: the penultimate ones of both encoders.
        """
        pooled, hidden = None, []
        for encoder, chunks in zip(self.encoders, ids, strict=True):
            chunks = torch.tensor(chunks, device=encoder.device)
            if len(self.encoders) == 1:
                with self._put_people(encoder, chunks, self.vectors if vectors is None else vectors) as known:
                    hidden.append(encoder(known).last_hidden_state)
            else:
                out = encoder(chunks, output_hidden_states=True)
                hidden.append(out.hidden_states[-2])
                pooled = getattr(out, "text_embeds", None)
        return torch.cat([states.float() for states in hidden], dim=-1), None if pooled is None else pooled.float()

    @contextmanager
    def _put_people(self, encoder: nn.Module, ids: Tensor, vectors: Tensor | None) -> Iterator[Tensor]:
        """Ids the encoder knows; inside the block its embeddings have the vectors of people, without a position."""
        if vectors is None or not (ids <= PERSON).any():
            yield ids
            return

        def put(module, arguments, embeddings: Tensor) -> Tensor:
            embeddings = embeddings.clone()
            embeddings[ids <= PERSON] = vectors.to(embeddings)[PERSON - ids[ids <= PERSON]]
            return embeddings

        layer = getattr(encoder, "text_model", encoder).get_submodule("embeddings")
        hook = layer.register_forward_hook(put)
        try:
            yield ids.clamp(min=0)
        finally:
            hook.remove()

    def _split(self, text: str, encoder: int = 0) -> list[int]:
        """Token ids, two for a person."""
        ids: list[int] = []
        for place, part in enumerate(split_words(text, self.words)):
            if place % 2:
                first = PERSON - 2 * self.words.index(part)
                ids += (first, first - 1)
            else:
                ids += self.tokenizers[encoder](part, add_special_tokens=False, verbose=False).input_ids
        return ids

    def _list_special(self, encoder: int) -> tuple[int, int, int]:
        """Begin, end and padding."""
        tokenizer = self.tokenizers[encoder]
        return tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id

    def _frame(self, ids: list[int], encoder: int) -> list[int]:
        begin, end, pad = self._list_special(encoder)
        return [begin, *ids, end] + [pad] * (_CHUNK - len(ids))


def _weigh(ids: list[int]) -> list[tuple[int, float]]:
    return [(token, 1.0) for token in ids]


def _cut_chunks(ids: list[int]) -> list[list[int]]:
    """Parts of 75 ids at most, at least one part; a person's two vectors stay together."""
    parts: list[list[int]] = []
    start = 0
    while start < len(ids) or not parts:
        end = start + _CHUNK
        if any(token <= PERSON and token % 2 == 0 for token in ids[end - 1 : end]):
            end -= 1
        parts.append(ids[start:end])
        start = end
    return parts
