"""Composition and alignment: prompt and marked caption -> one text, and markers -> token positions."""

import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..adapter.config import FIXED_SENTENCES, AdapterConfig
from ..errors import CaptionError
from ..face.region_words import REGION_WORDS
from .mark import EXTRA_CLAUSES, MARKER, MarkedCaption, find_word, mark_caption, split_clauses

TEXT_TOKENS = 77
LONGEST_CAPTION = 330


class Span(NamedTuple):
    """What a text says of one person: its letters from start to end."""

    person: int
    start: int
    end: int


@dataclass(frozen=True)
class FacialPrompt:
    """A prompt with its facial description.

    marked: the text with markers; plain: without; before_merge: what is read up to the merge point;
    regions: region keys in marker order (a published alignment may have more or fewer keys than markers);
    unplaced: regions of the photo the caption has no word for; is_published: to be read as the released code does.
    spans, spans_before: what `marked` and `before_merge` say of each person, in text order and not overlapping; the
    rest is about the whole picture.
    """

    marked: str
    plain: str
    before_merge: str
    regions: tuple[str, ...]
    unplaced: tuple[str, ...] = ()
    is_published: bool = False
    spans: tuple[Span, ...] = ()
    spans_before: tuple[Span, ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        """For each region the letter of the person it belongs to; "" where there is only one."""
        return ("",) * len(self.regions)


def compose_prompt(
    prompt: str,
    caption: str,
    regions: Sequence[str],
    config: AdapterConfig,
    count_tokens: Callable[[str], int],
    alignment: str = "auto",
) -> FacialPrompt:
    """Append the marked caption to the prompt, as released.

    `prompt + separator + clauses`; when that takes more than 77 tokens (begin, end and one per marker included)
    the clauses come first. count_tokens: number of tokens of a text, begin and end included.
    With alignment "published" a caption of more than 330 characters is left out, as released.
    """
    published = alignment == "published"
    if MARKER in prompt and not published:
        raise CaptionError(f"The prompt contains '{MARKER}', which marks facial tokens. Remove it from the prompt.")
    if not published:
        caption = complete_caption(caption, regions, config.regions)
    marked, spans = mark_caption(caption, regions, alignment), ()
    if published and len(caption) > LONGEST_CAPTION:
        marked, text = MarkedCaption("", marked.regions), prompt
    elif not published and not marked.regions:
        text = prompt
    else:
        text, start = _join(prompt, marked, config, count_tokens)
        spans = () if published else (Span(0, start, start + len(marked.text)),)
    plain = text.replace(MARKER, "")
    before_merge = plain if config.caption_before_merge else prompt
    return FacialPrompt(text, plain, before_merge, marked.regions, marked.unplaced, published, spans)


def _join(
    prompt: str, marked: MarkedCaption, config: AdapterConfig, count_tokens: Callable[[str], int]
) -> tuple[str, int]:
    """The text, and where the caption starts in it."""
    text = append_caption(prompt, marked.text, config)
    if count_tokens(text) <= TEXT_TOKENS:
        return text, len(text) - len(marked.text)
    return config.separator + marked.text + " Caption:" + prompt, len(config.separator)


def complete_caption(caption: str, regions: Iterable[str], trained: Collection[str]) -> str:
    """The caption with a neutral clause for each extra region that was trained and that the caption has no word for.

    regions: keys of those that were found; trained: words. A fixed sentence is left to `mark_caption`.

    >>> complete_caption("a round face, blue eyes", ["Face", "Hair"], ["face", "hair"])
    'a round face, blue eyes, hair'
    """
    if caption.strip() in FIXED_SENTENCES:
        return caption
    clauses = split_clauses(caption.replace(MARKER, " "))
    wanted = [key for key in regions if key in EXTRA_CLAUSES and REGION_WORDS[key] in trained]
    missing = [key for key in wanted if find_word(clauses, REGION_WORDS[key]) is None]
    return ", ".join([caption, *(EXTRA_CLAUSES[key] for key in missing)])


def append_caption(prompt: str, caption: str, config: AdapterConfig) -> str:
    return prompt + config.separator + caption


def find_positions(marked: Sequence, clean: Sequence, marker: Sequence[int]) -> list[int]:
    """For each marker in a token sequence, the index in `clean` of the token before it.

    marked: tokens of the text in which each marker was replaced by a word; clean: tokens of the text without
    markers; marker: the tokens of that word. Tokens are compared by `==` after removing the markers; CaptionError
    if the sequences then differ.

    >>> find_positions([5, 7, 99, 98, 8, 6], [5, 7, 8, 6], [99, 98])
    [1]
    """
    mark = object()
    kept, positions = [], []
    for token in fold_marker(marked, marker, mark):
        if token is mark:
            positions.append(len(kept) - 1)
        else:
            kept.append(token)
    if kept != list(clean):
        raise CaptionError(
            "The marked caption does not tokenise like the plain one, so facial tokens cannot be placed. "
            "Simplify the punctuation and brackets around face, ears, eyes, nose and mouth in the caption."
        )
    return positions


def find_segments(bordered: Sequence, clean: Sequence, border: Sequence[int]) -> list[tuple[int, int]]:
    """For each second segment of a token sequence, cut at its borders, where it starts and ends in `clean`.

    bordered: tokens of the text in which a word stands at each border; clean: of the text without; border: the tokens
    of that word. What is one token in `clean`, and two around a border, is in the second segment.

    >>> find_segments([5, 99, 7, 8, 99, 6, 99, 4, 99], [5, 7, 8, 6, 4], [99])
    [(1, 3), (4, 5)]
    """
    mark = object()
    folded = fold_marker(bordered, border, mark)
    borders = [index for index, token in enumerate(folded) if token is mark]

    def count_alike(ours: Iterable, theirs: Iterable) -> int:
        pairs = zip((token for token in ours if token is not mark), theirs, strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    return [
        (count_alike(folded[:start], clean), len(clean) - count_alike(folded[:end:-1], clean[::-1]))
        for start, end in zip(borders[::2], borders[1::2], strict=True)
    ]


def fold_marker(tokens: Sequence, marker: Sequence[int], mark) -> list:
    """The tokens with each run of the marker word's tokens replaced by one `mark`.

    >>> fold_marker([5, 7, 99, 98, 8], [99, 98], -1)
    [5, 7, -1, 8]
    """
    folded, index = [], 0
    while index < len(tokens):
        is_marker = list(tokens[index : index + len(marker)]) == list(marker)
        folded.append(mark if is_marker else tokens[index])
        index += len(marker) if is_marker else 1
    return folded


def cut_published(tokens: Sequence[int], marker: int, pad: int) -> tuple[list[int], list[int]]:
    """As released: token ids with markers -> 77 ids without, and the positions facial tokens go to.

    tokens: begin and end included. Longer sequences lose their end, including the end token; shorter ones are
    padded. Adjacent markers share one position; positions beyond 77 are lost.
    """
    clean: list[int] = []
    positions: list[int] = []
    for token in tokens:
        if token != marker:
            clean.append(token)
        elif len(clean) - 1 not in positions:
            positions.append(len(clean) - 1)
    clean = clean[:TEXT_TOKENS] + [pad] * (TEXT_TOKENS - len(clean))
    return clean, [position for position in positions if position < TEXT_TOKENS]
