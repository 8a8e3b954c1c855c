"""Several people in one prompt: "<A> a woman in a red coat <B> a man with a hat"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..adapter.config import AdapterConfig
from ..errors import CaptionError
from .align import FacialPrompt, Span, append_caption, complete_caption
from .mark import MARKER, MarkedCaption, close_embedding, mark_caption

_NAME = re.compile(r"<(/?[A-Z])>")


@dataclass(frozen=True)
class GroupPrompt(FacialPrompt):
    """A prompt with the facial descriptions of several people.

    owners: for each marker the number of the person it belongs to; captions: the marked caption of each person.
    """

    owners: tuple[int, ...] = ()
    captions: tuple[MarkedCaption, ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        return tuple(find_letter(owner) for owner in self.owners)


def compose_group(
    prompt: str,
    captions: Sequence[str],
    regions: Sequence[Sequence[str]],
    config: AdapterConfig,
    alignment: str = "auto",
) -> GroupPrompt:
    """Put each person's marked caption behind what the prompt says of that person.

    <A> stands before the words about the first person, <B> of the second; what comes before, and what comes behind
    </A> or </B>, is about the whole picture. People the prompt does not name are described at its end.
    alignment: "auto" or "matched", see `mark_caption`. Raises CaptionError for a name without a person, for one that
    stands twice, and for an end without a beginning.
    """
    if MARKER in prompt:
        raise CaptionError(f"The prompt contains '{MARKER}', which marks facial tokens. Remove it from the prompt.")
    marked = tuple(
        mark_caption(complete_caption(caption, keys, config.regions), keys, alignment)
        for caption, keys in zip(captions, regions, strict=True)
    )
    said = split_people(prompt, len(marked))
    named = [person for person, _ in said if person is not None]
    order = [*named, *(person for person in range(len(marked)) if person not in named)]
    silent = [(person, "") for person in order[len(named) :]]
    text, spans = _join((person, _describe(person, words, marked, config)) for person, words in [*said, *silent])
    plain = text.replace(MARKER, "")
    before_merge, spans_before = (plain, spans) if config.caption_before_merge else _join(said)
    return GroupPrompt(
        marked=text,
        plain=plain,
        before_merge=before_merge,
        regions=tuple(key for person in order for key in marked[person].regions),
        unplaced=tuple(key for person in order for key in marked[person].unplaced),
        spans=spans,
        spans_before=spans_before,
        owners=tuple(person for person in order for _ in marked[person].regions),
        captions=marked,
    )


def names_people(prompt: str) -> bool:
    """Whether a prompt says of whom it speaks, as in "<A> a woman"."""
    return any(len(name) == 1 for name in _NAME.findall(prompt))


def split_people(prompt: str, count: int) -> list[tuple[int | None, str]]:
    """What a prompt says of each person it names, and of the whole picture (None), in text order.

    >>> split_people("in a park, <A> a woman, <B> a man</B>, at night", 2)
    [(None, 'in a park,'), (0, 'a woman,'), (1, 'a man'), (None, 'at night')]
    """
    head, *pieces = _NAME.split(prompt)
    said: list[tuple[int | None, str]] = [(None, head.strip())]
    for name, words in zip(pieces[::2], pieces[1::2], strict=True):
        if name.startswith("/"):
            if said[-1][0] != _number(name[1]):
                raise CaptionError(
                    f"The prompt has <{name}> where nothing is said of {name[1]}. Put it behind what follows "
                    f"<{name[1]}>, or leave it out."
                )
            said.append((None, words.lstrip(" ,.;").rstrip()))
        else:
            _check_name(name, count, said)
            said.append((_number(name), words.strip()))
    return said


def _check_name(name: str, count: int, said: Sequence[tuple[int | None, str]]) -> None:
    if _number(name) >= count:
        people = f"{count} people" if count > 1 else "one person"
        raise CaptionError(f"The prompt names <{name}>, but there {'are' if count > 1 else 'is'} {people}.")
    if any(person == _number(name) for person, _ in said):
        raise CaptionError(f"The prompt names <{name}> twice; say everything about a person in one place.")


def _number(name: str) -> int:
    return ord(name) - ord("A")


def find_letter(person: int) -> str:
    return chr(ord("A") + person)


def _describe(person: int | None, words: str, marked: Sequence[MarkedCaption], config: AdapterConfig) -> str:
    if person is None:
        return words
    words = close_embedding(words.rstrip(" ,.;"))
    return append_caption(words, marked[person].text, config) if marked[person].regions else words


def _join(parts: Iterable[tuple[int | None, str]]) -> tuple[str, tuple[Span, ...]]:
    """The parts that are not empty, with a space between them, and where those about people are."""
    text, spans = "", []
    for person, words in parts:
        if words:
            text += " " if text else ""
            if person is not None:
                spans.append(Span(person, len(text), len(text) + len(words)))
            text += words
    return text, tuple(spans)
