"""Words of a prompt that the small models never saw; large models know every word."""

import re

from ..adapter.config import ZOO, AdapterConfig
from ..ports import TextEncoder
from .mark import EMBEDDING

_WORD = re.compile(r"[^\W\d_]+")


def find_unknown_words(text: str, config: AdapterConfig, encoder: TextEncoder) -> tuple[str, ...]:
    """Words that the small models' tokenizer spells, in their order and each once; none for other base models.

    Each word that they learnt is one token of it. A few others are as well: such as end a word that they learnt.
    """
    if config.name != ZOO.name:
        return ()
    words = dict.fromkeys(word.lower() for word in _WORD.findall(re.sub(EMBEDDING, " ", text)))
    return tuple(word for word in words if any(_is_spelt(one.ids) for one in encoder.tokenize_literally(word).values()))


def describe_unknown(words: tuple[str, ...]) -> list[str]:
    """A line for people, or none."""
    return [f"Unknown to the small models: {', '.join(words)}."] if words else []


def _is_spelt(ids: list) -> bool:
    """A word that stands for a person is no spelt one: its tokens are vectors, or below 0."""
    return len(ids) > 1 and all(isinstance(token, int) and token >= 0 for token in ids)
