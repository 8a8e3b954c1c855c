"""Words that stand for people: where they are in a prompt."""

import re
from collections.abc import Iterable

from ..adapter.config import SD15
from ..errors import CaptionError
from ..prompt.mark import EMBEDDING

PUBLISHED_WORD = "f l"
# Not of digits alone: those of weights, as in "(red hair:1.2)", would be people.
_ALLOWED = re.compile(r"(?=.*[^\W\d_])\w+([ -]+\w+)*")


def normalise_word(word: str) -> str:
    """The word in lower case with single spaces. CaptionError for one that a prompt could not hold.

    >>> normalise_word("  Anna  Maria ")
    'anna maria'
    """
    spaced = " ".join(word.split()).lower()
    if not _ALLOWED.fullmatch(spaced):
        raise CaptionError(
            f"'{word}' cannot stand for a person. Use letters, and digits beside them, with spaces or hyphens between: "
            f"'anna', or '{PUBLISHED_WORD}' as published."
        )
    return spaced


def split_words(text: str, words: Iterable[str]) -> list[str]:
    """The text cut around normalised words: plain text at even places, a word at odd ones.

    Whole words only, in upper or lower case, and not inside the name of a textual inversion embedding. The facial
    description may follow a word without a space.

    >>> split_words("photo of Anna, annabel", ["anna"])
    ['photo of ', 'anna', ', annabel']
    """
    words = sorted(words, key=len, reverse=True)
    if not words:
        return [text]
    choices = "|".join("(" + re.escape(word).replace(r"\ ", r"\s+") + ")" for word in words)
    pattern = rf"{EMBEDDING}|(?<!\w)(?:{choices})(?:(?!\w)|(?=(?-i:{SD15.separator})))"
    parts, start = [], 0
    for match in re.finditer(pattern, text, re.IGNORECASE):
        if match.lastindex:
            parts += [text[start : match.start()], words[match.lastindex - 1]]
            start = match.end()
    return [*parts, text[start:]]


def require_word(prompt: str, word: str) -> None:
    """CaptionError when the prompt does not hold the normalised word."""
    if len(split_words(prompt, [word])) == 1:
        raise CaptionError(
            f"The prompt does not hold '{word}', the word for this person, so nobody would be drawn from the photo. "
            f"Write it where the person's name would stand: 'a photo of {word} in a forest'. "
            f"The prompt reads: '{prompt[:200]}'"
        )
