"""Text encoders of a diffusers pipeline: long prompts in chunks of 77, and where their facial tokens go.

Brackets and embedding names are text here. Both of SDXL's encoders share a vocabulary, so one set of ids serves both.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..adapter.config import AdapterConfig
from ..caption.align import TEXT_TOKENS, FacialPrompt, cut_published, find_positions, fold_marker
from ..caption.mark import MARKER
from ..errors import IncompatibleModelError

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
    """The tokenizers and text encoders of a Stable Diffusion pipeline; CLIP-L, in SDXL also bigG."""

    def __init__(self, pipeline, config: AdapterConfig):
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
        positions = [max(n, 0) // _CHUNK * TEXT_TOKENS + max(n, 0) % _CHUNK + 1 if n >= 0 else 0 for n in ordinals]
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
                states = encoder(ids).last_hidden_state
            else:
                out = encoder(ids, output_hidden_states=True)
                states, pooled = out.hidden_states[-2], getattr(out, "text_embeds", None)
            hidden.append(states.float().cpu().flatten(0, 1)[None])
        return torch.cat(hidden, dim=-1), None if pooled is None else pooled[:1].float().cpu()

    def _split(self, text: str, encoder: int = 0) -> list[int]:
        return self.tokenizers[encoder](text, add_special_tokens=False, verbose=False).input_ids

    def _frame(self, ids: list[int], encoder: int = 0) -> list[int]:
        tokenizer = self.tokenizers[encoder]
        return [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]

    def _chunk(self, ids: list[int]) -> list[list[list[int]]]:
        """Ids in framed and padded chunks, for each encoder with its own padding."""
        parts = [ids[start : start + _CHUNK] for start in range(0, max(len(ids), 1), _CHUNK)]
        return [
            [self._frame(part) + [tokenizer.pad_token_id] * (_CHUNK - len(part)) for part in parts]
            for tokenizer in self.tokenizers
        ]
