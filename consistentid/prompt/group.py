"""Several people in one prompt: "<A> a woman in a red coat <B> a man with a hat"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..adapter.config import AdapterConfig
from ..errors import CaptionError
from .align import FacialPrompt, append_caption, complete_caption
from .mark import MARKER, MarkedCaption, mark_caption

_NAME = re.compile(r"<([A-Z])>")


@dataclass(frozen=True)
class GroupPrompt(FacialPrompt):
    """A prompt with the facial descriptions of several people.

    owners: for each marker the number of the person it belongs to; captions: the marked caption of each person.
    """

    owners: tuple[int, ...] = ()
    captions: tuple[MarkedCaption, ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        return tuple(chr(ord("A") + owner) for owner in self.owners)


def compose_group(
    prompt: str, captions: Sequence[str], regions: Sequence[Sequence[str]], config: AdapterConfig
) -> GroupPrompt:
    """Put each person's marked caption behind what the prompt says of that person.

    <A> stands before the words about the first person, <B> of the second; what comes before is about the whole
    picture. People the prompt does not name are described at its end. Each region meets its own word.
    Raises CaptionError for a name without a person, and for one that stands twice.
    """
    if MARKER in prompt:
        raise CaptionError(f"The prompt contains '{MARKER}', which marks facial tokens. Remove it from the prompt.")
    marked = tuple(
        mark_caption(complete_caption(caption, keys, config.regions), keys, "matched")
        for caption, keys in zip(captions, regions, strict=True)
    )
    head, sayings = split_people(prompt, len(marked))
    order = [*sayings, *(person for person in range(len(marked)) if person not in sayings)]
    parts = [head]
    for person in order:
        words = sayings.get(person, "").rstrip(" ,.;")
        parts.append(append_caption(words, marked[person].text, config) if marked[person].regions else words)
    text = " ".join(part for part in parts if part)
    plain = text.replace(MARKER, "")
    return GroupPrompt(
        marked=text,
        plain=plain,
        before_merge=plain
        if config.caption_before_merge
        else " ".join(part for part in (head, *sayings.values()) if part),
        regions=tuple(key for person in order for key in marked[person].regions),
        unplaced=tuple(key for person in order for key in marked[person].unplaced),
        owners=tuple(person for person in order for _ in marked[person].regions),
        captions=marked,
    )


def names_people(prompt: str) -> bool:
    """Whether a prompt says of whom it speaks, as in "<A> a woman"."""
    return bool(_NAME.search(prompt))


def split_people(prompt: str, count: int) -> tuple[str, dict[int, str]]:
    """What a prompt says of the whole picture, and of each person it names, in text order.

    >>> split_people("in a park, <A> a woman, <B> a man", 2)
    ('in a park,', {0: 'a woman,', 1: 'a man'})
    """
    head, *pieces = _NAME.split(prompt)
    sayings: dict[int, str] = {}
    for name, words in zip(pieces[::2], pieces[1::2], strict=True):
        person = ord(name) - ord("A")
        if person >= count:
            people = f"{count} people" if count > 1 else "one person"
            raise CaptionError(f"The prompt names <{name}>, but there {'are' if count > 1 else 'is'} {people}.")
        if person in sayings:
            raise CaptionError(f"The prompt names <{name}> twice; say everything about a person in one place.")
        sayings[person] = words.strip()
    return head.strip(), sayings
