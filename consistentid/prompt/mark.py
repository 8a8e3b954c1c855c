"""Marking: which words of a caption stand for which facial region.

`mark_published` reproduces the released code (functions.py, process_text_with_markers) character by character,
with everything it does to captions that are not written like its fixed sentence.
`mark_matched` puts a marker behind each region's own word in any caption.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..adapter.config import FIXED_SENTENCES
from ..errors import CaptionError
from ..face.region_words import EXTRA_LABELS, REGION_WORDS

MARKER = "<|facial|>"
PUBLISHED_WORDS = ("face", "ears", "eyes", "nose", "mouth")
WORDS = (*PUBLISHED_WORDS, "eyebrows", "hair")
"""Region words in the order their clauses stand in the marked caption."""

SYNONYMS = {
    "face": r"face|facial features|complexion|skin",
    "ears": r"ears?",
    "eyes": r"eyes?(?! brows?\b)",
    "nose": r"noses?",
    "mouth": r"mouths?|lips?",
    "eyebrows": r"eye[ -]?brows?|brows?",
    "hair": r"(?<!facial )hair|hairstyle|haircut",
}
EXTRA_CLAUSES = {"Brows": "two eyebrows", "Hair": "hair"}
"""What is added for the extra regions that a photo has: to a fixed sentence, and to a caption without their words."""
_CLAUSE_ENDS = ",.;"
# A piece of a caption: an embedding's name, an escaped bracket, or one character.
EMBEDDING = r"embedding:[^\s,;]+"
_PIECE = re.compile(rf"{EMBEDDING}|\\[()]|.", re.DOTALL)
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
    """Mark a caption for the region keys that were found (see REGION_WORDS).

    alignment "published": as released, where region features go to markers in label order although the text has
    another order; "matched": each region to its own word; "auto": published for the released fixed sentences,
    for which the weights were trained, matched for everything else.
    Extra regions (EXTRA_LABELS) are no part of the released method: "published" leaves them out; the others add
    clauses for them to a fixed sentence.
    """
    regions = tuple(regions)
    extra = tuple(key for key in regions if key in EXTRA_LABELS)
    usual = tuple(key for key in regions if key not in EXTRA_LABELS)
    is_fixed = caption.strip() in FIXED_SENTENCES
    clauses = ", ".join(EXTRA_CLAUSES[key] for key in extra) if is_fixed else ""
    if alignment == "published":
        marked = mark_published(caption, usual)
        return replace(marked, unplaced=marked.unplaced + extra)
    if alignment == "auto" and is_fixed:
        first, second = mark_published(caption, _list_first(usual).values()), mark_matched(clauses, extra)
        return MarkedCaption(f"{first.text} {second.text}".strip(), first.regions + second.regions, first.unplaced)
    if alignment in ("auto", "matched"):
        return mark_matched(f"{caption} {clauses}", regions)
    raise CaptionError(f"Unknown alignment '{alignment}'; choose auto, published or matched.")


def mark_matched(caption: str, regions: Iterable[str]) -> MarkedCaption:
    """Each region's marker behind the first word that names it, in any caption.

    The clauses that hold a marker are kept as written, in the order of WORDS.

    >>> mark_matched("Blue eyes. Her nose is small; a warm smile.", ["Left_Eye", "Nose"])
    MarkedCaption(text='Blue eyes <|facial|>, Her nose <|facial|> is small,', regions=('Left_Eye', 'Nose'), unplaced=())
    """
    keys = _list_first(regions)
    clauses = split_clauses(caption.replace(MARKER, " "))
    places: dict[int, list[tuple[int, str]]] = {}
    unplaced = []
    for word in (word for word in WORDS if word in keys):
        place = find_word(clauses, word)
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
    words = [word for word in PUBLISHED_WORDS if any(REGION_WORDS.get(key) == word for key in keys)]
    first = _list_first(keys)
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
    return MarkedCaption(marked, tuple(keys), tuple(first[word] for word in words if first[word] not in keys))


def split_clauses(text: str, respect_brackets: bool = True) -> list[str]:
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
        return split_clauses(text, respect_brackets=False)
    return [clause.strip() for clause in clauses if clause.strip()]


def find_word(clauses: list[str], word: str) -> tuple[int, int] | None:
    """Where clauses name a region first: (index of the clause, end of the name in it); None if none does.

    word: one of WORDS. Its synonyms count too, in their order of preference.

    >>> find_word(["a tall man", "grey eye", "eyes"], "eyes")
    (1, 8)
    """
    for alternative in SYNONYMS[word].split("|"):
        # A word of its own: not part of a compound such as "eye-catching" or "ear-to-ear".
        pattern = re.compile(rf"(?<!\w-)\b(?:{alternative})\b(?!-\w)", re.IGNORECASE)
        for index, clause in enumerate(clauses):
            match = pattern.search(re.sub(EMBEDDING, lambda name: " " * len(name[0]), clause))
            if match:
                return index, match.end()
    return None


def close_embedding(prompt: str) -> str:
    """The prompt with a space behind an embedding's name at its end, or what follows would become part of the name."""
    *_, last = prompt.split() or [""]
    return prompt + " " if "embedding:" in last else prompt


def split_last_word(text: str) -> tuple[str, str, str]:
    """A text up to its last word, that word, and what follows it. Looks at each letter once.

    >>> split_last_word("her blue eyes, ")
    ('her blue ', 'eyes', ', ')
    """
    end = len(text)
    while end and not _is_letter(text[end - 1]):
        end -= 1
    start = end
    while start and _is_letter(text[start - 1]):
        start -= 1
    return text[:start], text[start:end], text[end:]


def _is_letter(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _list_first(regions: Iterable[str]) -> dict[str, str]:
    """{word: the first region key it stands for}"""
    keys: dict[str, str] = {}
    for key in regions:
        if key in REGION_WORDS:
            keys.setdefault(REGION_WORDS[key], key)
    return keys


def _drop_repeated_words(caption: str) -> str:
    tokens = re.findall(r"\b\w+\b|[.,;!?]", caption)
    seen: set[str] = set()
    for index, token in enumerate(tokens):
        word = token.lower()
        if word in PUBLISHED_WORDS:
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
