"""Marking: which words of a caption stand for which facial region.

`mark_published` reproduces the released code (functions.py, process_text_with_markers) character by character,
with everything it does to captions that are not written like its fixed sentence.
`mark_matched` puts a marker behind each region's own word in any caption.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..adapter.config import FIXED_SENTENCES
from ..errors import CaptionError
from ..face.regions import REGION_WORDS

MARKER = "<|facial|>"
WORDS = ("face", "ears", "eyes", "nose", "mouth")
"""Region words in the order their clauses stand in the marked caption."""

_SYNONYMS = {
    "face": r"face|facial features|complexion|skin",
    "ears": r"ears?",
    "eyes": r"eyes?",
    "nose": r"noses?",
    "mouth": r"mouths?|lips?",
}
_CLAUSE_ENDS = ",.;"
# A piece of a caption: an embedding's name, an escaped bracket, or one character.
_EMBEDDING = r"embedding:[^\s,;]+"
_PIECE = re.compile(rf"{_EMBEDDING}|\\[()]|.", re.DOTALL)
_CLAUSE_BREAKS = frozenset(",.;!?\n")


@dataclass(frozen=True)
class MarkedCaption:
    """A caption with markers, and the region each marker stands for, in text order.

    text: clauses joined by commas, "<|facial|>" behind each marked word. The k-th marker takes the features of
    regions[k]; a marker beyond the regions takes those of zero pixels. unplaced: regions the caption has no word for.
    """

    text: str
    regions: tuple[str, ...]
    unplaced: tuple[str, ...] = ()


def mark_caption(caption: str, regions: Iterable[str], alignment: str = "auto") -> MarkedCaption:
    """Mark a caption for the region keys that were found (see REGION_LABELS).

    alignment "published": as released, where region features go to markers in label order although the text has
    another order; "matched": each region to its own word; "auto": published for the released fixed sentences,
    for which the weights were trained, matched for everything else.
    """
    regions = tuple(regions)
    if alignment == "auto":
        alignment = "published" if caption.strip() in FIXED_SENTENCES else "matched"
    if alignment == "published":
        return mark_published(caption, regions)
    if alignment == "matched":
        return mark_matched(caption, regions)
    raise CaptionError(f"Unknown alignment '{alignment}'; choose auto, published or matched.")


def mark_matched(caption: str, regions: Iterable[str]) -> MarkedCaption:
    """Each region's marker behind the first word that names it, in any caption.

    The clauses that hold a marker are kept as written, in the order face, ears, eyes, nose, mouth.

    >>> mark_matched("Blue eyes. Her nose is small; a warm smile.", ["Left_Eye", "Nose"])
    MarkedCaption(text='Blue eyes <|facial|>, Her nose <|facial|> is small,', regions=('Left_Eye', 'Nose'), unplaced=())
    """
    keys = {REGION_WORDS[key]: key for key in reversed(tuple(regions)) if key in REGION_WORDS}
    clauses = _split_clauses(caption.replace(MARKER, " "))
    places: dict[int, list[tuple[int, str]]] = {}
    unplaced = []
    for word in (word for word in WORDS if word in keys):
        place = _find_word(clauses, _SYNONYMS[word])
        if place is None:
            unplaced.append(keys[word])
        else:
            clause, end = place
            places.setdefault(clause, []).append((end, keys[word]))
    texts, order = [], []
    for clause, marks in places.items():
        text = clauses[clause]
        for end, _ in sorted(marks, reverse=True):
            text = f"{text[:end]} {MARKER}{text[end:]}"
        texts.append(text + ",")
        order += [key for _, key in sorted(marks)]
    return MarkedCaption(" ".join(texts), tuple(order), tuple(unplaced))


def mark_published(caption: str, regions: Iterable[str]) -> MarkedCaption:
    """As released: only lower-case `face`, `ears`, `eyes`, `nose`, `mouth` are found, their clauses are cut out
    and joined, and the k-th region in the given order goes to the k-th marker whatever its word is."""
    keys = list(regions)
    text = _drop_repeated_words(caption)
    words = [word for word in WORDS if any(REGION_WORDS.get(key) == word for key in keys)]
    for word in words:
        text, found = re.subn(rf"\b{word}\b", f"{word} <|{word}|>", text, count=1)
        if not found:
            keys = [key for key in keys if REGION_WORDS.get(key) != word]
    text = text.replace("\n", "")
    clauses = []
    for word in words:
        clause, text = _cut_clause(text, f"<|{word}|>")
        if clause:
            clauses.append(clause + ",")
    marked = re.sub(r"<\|(?:face|ears|nose|eyes|mouth)\|>", MARKER, " ".join(clauses))
    return MarkedCaption(marked, tuple(keys))


def _split_clauses(text: str, respect_brackets: bool = True) -> list[str]:
    """Clauses of a caption; emphasis over several, as in "(small nose, blue eyes:1.2)", stays in one piece."""
    clauses, depth = [""], 0
    for match in _PIECE.finditer(text):
        piece = match[0]
        if respect_brackets:
            depth = max(0, depth + (piece == "(") - (piece == ")"))
        is_decimal = piece == "." and text[match.end() : match.end() + 1].isdigit()
        if piece in _CLAUSE_BREAKS and not depth and not is_decimal:
            clauses.append("")
        else:
            clauses[-1] += piece
    if depth:
        return _split_clauses(text, respect_brackets=False)
    return [clause.strip() for clause in clauses if clause.strip()]


def _find_word(clauses: list[str], pattern: str) -> tuple[int, int] | None:
    for alternative in pattern.split("|"):
        # A word of its own: not part of a compound such as "eye-catching" or "ear-to-ear".
        word = re.compile(rf"(?<!\w-)\b(?:{alternative})\b(?!-\w)", re.IGNORECASE)
        for index, clause in enumerate(clauses):
            match = word.search(re.sub(_EMBEDDING, lambda name: " " * len(name[0]), clause))
            if match:
                return index, match.end()
    return None


def _drop_repeated_words(caption: str) -> str:
    tokens = re.findall(r"\b\w+\b|[.,;!?]", caption)
    seen: set[str] = set()
    for index, token in enumerate(tokens):
        word = token.lower()
        if word in WORDS:
            tokens[index] = "" if word in seen else token
            seen.add(word)
    return " ".join(tokens)


def _cut_clause(text: str, marker: str) -> tuple[str, str]:
    """The clause around a marker, and the text without it.

    A marker that is not there is searched from position -1 on, as in the released code: the cut then starts at the
    end of the text.
    """
    start = text.find(marker)
    end = start + len(marker)
    while start > 0 and text[start - 1] not in _CLAUSE_ENDS:
        start -= 1
    while end < len(text) and text[end] not in _CLAUSE_ENDS:
        end += 1
    clause = text[start:end].strip()
    return (clause, text[:start] + text[end:]) if clause else ("", text)
