"""Captions in clauses, one per region, so that no region loses its word."""

import re
from collections.abc import Sequence

from ..prompt.mark import EMBEDDING, MARKER, PUBLISHED_WORDS, SYNONYMS, WORDS, find_word, split_clauses

LONGEST = 16
"""Words in a clause, at most: a face with skin, cheeks, beard and glasses has as many."""

_REACH = 200  # words before and behind a mention that are looked at, so that long texts take no longer by the word

_NEUTRAL = {"face": "a face", "ears": "two ears", "eyes": "two eyes", "nose": "a nose", "mouth": "a mouth"}
"""For a word without a description. Words that are not here get a clause only where the caption describes them."""

_TOKEN = re.compile(
    "|".join(rf"(?<!\w-)\b(?P<{word}>{pattern})\b(?!-\w)" for word, pattern in SYNONYMS.items()) + r"|\w[\w'’-]*|[,:]",
    re.IGNORECASE,
)
_SENTENCE_ENDS = re.compile(r"[.!?](?=\s|$)|[;\n]")
_ASIDES = re.compile(r"[()\[\]{}<>\"“”—–|/]")
_EMPHASIS = re.compile(r":\s*[-+]?[\d.]+\s*(?=\))")

_REGION = "|"  # stands for another region's word


def _split(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_ARTICLES = _split("a an")
_OPENERS = _split("a an the his her their its my your these has have having with two both")
_COPULAS = _split("is are was were appear appears look looks seem seems has have")
_RELATIVES = _split("that which")
_SEPARATORS = frozenset((",", "and"))
_LINKS = _split(
    "and or but with while as of in on at to from by for above below under over around between near against into onto",
    "along behind beneath beside across through because if so than like featuring including showing",
)
_SUBORDINATES = _RELATIVES | _split(
    "while but because as giving making adding creating suggesting indicating complementing framed"
)
_OTHERS = _split(
    "one he she it they you i this those there who whose be been being includes include features feature show shows",
    "also s",
)
_ENDS = _OPENERS | _COPULAS | _LINKS | _SUBORDINATES | _OTHERS | {_REGION, ",", ":"}
"""What no description begins or ends with."""
_UNTOLD = _split(
    "no not without cannot hidden obscured covered visible seen shown unclear hard difficult located positioned placed",
    "situated centered center centre middle",
)
"""What says where a part of the face is, or that it cannot be seen, and not what it looks like."""


def find_missing(caption: str, words: Sequence[str] = PUBLISHED_WORDS) -> tuple[str, ...]:
    """The words that no clause of a caption names, in the given order.

    >>> find_missing("Blue eyes. Her lips are full; a small nose.")
    ('face', 'ears')
    """
    clauses = split_clauses(caption.replace(MARKER, " "))
    return tuple(word for word in words if find_word(clauses, word) is None)


def normalise_caption(caption: str, words: Sequence[str] = WORDS) -> str:
    """A caption as short clauses, each naming exactly one of the words, in the order of `words`.

    Each word gets the first description the caption has of it; one of the five regions without a description gets
    a neutral clause such as "two ears". Emphasis and embeddings are dropped, unless the caption is in this form
    already: then its clauses stay as they are.

    >>> normalise_caption("Her eyes are large and brown, framed by dark lashes. She has a round face and full lips.")
    'round face, two ears, eyes are large and brown, a nose, full lips'
    >>> normalise_caption("A small nose. The ears are not visible.")
    'a face, two ears, two eyes, small nose, a mouth'
    """
    caption = caption.replace(MARKER, " ")
    clauses = split_clauses(caption)
    if not _is_normal(clauses, words):
        sentences = _read_sentences(caption)
        described = ((word, _describe_word(sentences, word)) for word in words)
        clauses = [clause or _NEUTRAL[word] for word, clause in described if clause or word in _NEUTRAL]
    return ", ".join(clauses)


def _is_normal(clauses: list[str], words: Sequence[str]) -> bool:
    named = [[word for word in WORDS if find_word([clause], word)] for clause in clauses]
    expected = [[word] for word in words if word in _NEUTRAL or [word] in named]
    return named == expected and all(len(clause.split()) <= LONGEST for clause in clauses)


def _read_sentences(caption: str) -> list[list[tuple[str, str | None]]]:
    """Sentences as tokens: (text, the word of the region it names or None); a region's name is one token."""
    text = _EMPHASIS.sub("", re.sub(EMBEDDING, ",", caption))
    return [
        [(match[0].lower(), match.lastgroup) for match in _TOKEN.finditer(_ASIDES.sub(",", sentence))]
        for sentence in _SENTENCE_ENDS.split(text)
    ]


def _describe_word(sentences: list[list[tuple[str, str | None]]], word: str) -> str | None:
    """The first clause that says something about a word; its own name counts before its synonyms."""
    for name in SYNONYMS[word].split("|"):
        for tokens in sentences:
            texts = [_REGION if region else text for text, region in tokens]
            for index, (text, region) in enumerate(tokens):
                if region == word and re.fullmatch(name, text):
                    clause = _describe_mention(
                        texts[max(0, index - _REACH) : index], text, texts[index + 1 : index + 1 + _REACH]
                    )
                    if clause and _is_normal([clause], (word,)):
                        return clause
    return None


def _describe_mention(before: list[str], name: str, after: list[str]) -> str | None:
    left = _read_adjectives(before, plural=name.endswith("s"))
    right = _read_predicate(after, LONGEST - len(left) - len(name.split()))
    if not (left or right) or _UNTOLD & {*left, *right}:
        return None
    return " ".join([*left, name, *right]).replace(" :", ":")


def _read_adjectives(before: list[str], plural: bool) -> list[str]:
    """Adjectives that end a list of words: ["has", "large", ",", "brown"] -> ["large", "brown"]."""
    run = _read_run(before)
    adjectives = run[-3:]
    rest = before[: len(before) - len(run)]
    while run and len(adjectives) < 6 and rest and rest[-1] in _SEPARATORS:
        joint = ["and"] if rest[-1] == "and" else []
        while rest and rest[-1] in _SEPARATORS:
            rest = rest[:-1]
        run = _read_run(rest)
        rest = rest[: len(rest) - len(run)]
        opener = rest[-1] if rest else None
        # More than one word is a thing of its own ("a warm smile and brown eyes"), and so is "a beard and brown eyes".
        is_adjective = opener is None or opener in _SEPARATORS or opener in _OPENERS - (_ARTICLES if plural else set())
        if len(run) != 1 or not is_adjective:
            break
        adjectives = run + joint + adjectives
    return adjectives


def _read_run(tokens: list[str]) -> list[str]:
    """The words at the end of a list up to one that cannot be part of a description."""
    start = len(tokens)
    while start and tokens[start - 1] not in _ENDS and not tokens[start - 1].endswith(("'s", "’s")):
        start -= 1
    return tokens[start:]


def _read_predicate(after: list[str], room: int) -> list[str]:
    """What is said behind a region's name: ["are", "large", ",", "framed", "by"] -> ["are", "large"]."""
    if _REGION in after:
        after = after[: after.index(_REGION)]
        cuts = [index for index, token in enumerate(after) if token in {*_LINKS, ","}]
        after = after[: cuts[-1]] if cuts else []
    if after[:1] == [","] and {*after[1:2]} & _RELATIVES:
        after = after[1:]
    head = after[1:2] if after[:1] and after[0] in _RELATIVES else after[:1]
    if not head or head[0] not in {*_COPULAS, ":", "with"}:
        return []
    words = _read_list(after, after.index(head[0]) + 1)[:room]
    while words and words[-1] in _ENDS:
        words.pop()
    return words


def _read_list(after: list[str], start: int) -> list[str]:
    """Words up to the end of the thought, which may be a list: ["are", "large", ",", "brown"] -> with "and"."""
    words = after[:start]
    for index, token in enumerate(after[start:], start):
        following = [*after[index + 1 :], ","]
        if token in _SUBORDINATES or (token == "and" and following[0] in _ENDS):
            break
        if token == ",":
            following = following[1:] if following[0] == "and" else following
            if following[0] == "with":
                continue
            piece = following[: following.index(",")]
            # A longer piece is a thought of its own ("she smiles warmly").
            if not 1 <= len(piece) <= 2 or piece[0] in _ENDS:
                break
            token = "and"
        if not (token == "and" and words[-1] == "and"):
            words.append(token)
    return words
