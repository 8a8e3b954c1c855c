"""ComfyUI's CLIP as a TextEncoder: emphasis, textual inversion embeddings, and encoders that hooks change in a run."""

import re
from weakref import WeakKeyDictionary

from torch import Tensor

from ...consistentid.adapter.config import AdapterConfig
from ...consistentid.errors import IncompatibleModelError
from ...consistentid.ports import Chunks, Entry, LiteralText, TokenizedText
from ...consistentid.prompt.encode import encode_plain
from ...consistentid.prompt.tokens import has_row

_negatives: WeakKeyDictionary = WeakKeyDictionary()


class HostedText:
    """The TextEncoder of a CLIP. Its entries' extras are the values of CONDITIONING."""

    def __init__(self, clip):
        self.clip = clip

    def tokenize(self, text: str) -> TokenizedText:
        encoders = self.clip.tokenize(text, return_word_ids=True)
        chunks = {
            encoder: [[(token, weight) for token, weight, _ in chunk] for chunk in chunks]
            for encoder, chunks in encoders.items()
        }
        return TokenizedText(chunks, {encoder: _list_words(chunks, encoder) for encoder, chunks in encoders.items()})

    def tokenize_literally(self, text: str) -> dict[str, LiteralText]:
        """In SDXL's second encoder "!" is the padding token, as released."""
        frames = {encoder: _find_frame(chunks) for encoder, chunks in self.clip.tokenize("").items()}
        ids = self._read_letters(text)
        if "g" in ids:
            first, *others = (self._read_letters(part)["g"] for part in text.split("!"))
            ids["g"] = [*first, *(token for part in others for token in (frames["g"][2], *part))]
        return {encoder: LiteralText(ids[encoder], *frame) for encoder, frame in frames.items()}

    def encode(self, chunks: Chunks) -> list[Entry]:
        return [Entry(rows, extra) for rows, extra in self.clip.encode_from_tokens_scheduled(chunks)]

    def encode_negative(self, text: str, published: bool) -> list[Entry]:
        """The negative prompt; the last one of each CLIP is kept, since people change the prompt more often."""
        key = (text, published)
        if _negatives.get(self.clip, (None,))[0] != key:
            _negatives[self.clip] = (key, encode_plain(self, text, published))
        return _negatives[self.clip][1]

    def _read_letters(self, text: str) -> dict[str, list]:
        ids: dict[str, list] = {}
        # ComfyUI looks for "embedding:"; cut in two there, it is text.
        for part in re.split(r"(?<=embedding)(?=:)", text):
            for encoder, chunks in self.clip.tokenize(part, return_word_ids=True, disable_weights=True).items():
                ids.setdefault(encoder, []).extend(token for _, token in _list_words(chunks, encoder))
        return ids


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


def _find_frame(chunks: list[list[tuple]]) -> tuple[int, int, int]:
    """The begin, end and padding tokens of an empty text."""
    return chunks[0][0][0], chunks[0][1][0], chunks[0][-1][0]


def _list_words(chunks: list[list[tuple]], encoder: str) -> list[tuple[int, object]]:
    """(absolute position, token id or embedding vector) of all tokens that belong to words.

    Vectors made for another encoder are left out, see `has_row`.
    """
    places = []
    for number, chunk in enumerate(chunks):
        moved = 0
        for index, (token, _, word) in enumerate(chunk):
            if not has_row(token, encoder):
                moved += 1
            elif word != 0:
                value = tuple(token.flatten().tolist()) if isinstance(token, Tensor) else token
                places.append((number * len(chunk) + index - moved, value))
    return places
