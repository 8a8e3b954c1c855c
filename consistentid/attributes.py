"""Attributes of a person that words change, and what of the person gives way to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .adapter.schedule import Schedule
from .caption.clauses import normalise_caption
from .errors import ConsistentIDError
from .identity import Identity
from .identity.mixing import adjust_regions, interpolate_line
from .prompt.mark import EMBEDDING, WORDS, find_word, split_clauses
from .suggestion import suggest

PLACES = ("adjective", "noun", "looks", "mood")


@dataclass(frozen=True)
class Attribute:
    """How words change an attribute, and what gives way to them.

    place: where the words stand in a prompt: "noun" in place of the word for the person, "adjective" before it,
    "looks" behind it, "mood" at the end. clause: what the description says of its region, with {} for the words; ""
    leaves it as it is. regions: words of the regions whose pictures give way, that of the clause first. weight: of the
    ID tokens; start: part of the steps from which they act.
    """

    place: str
    clause: str = ""
    regions: tuple[str, ...] = ()
    weight: float = 1.0
    start: float = 0.0


ATTRIBUTES = {
    "age": Attribute("adjective", "{} face", ("face",), weight=0.5, start=0.4),
    "gender": Attribute("noun", "", ("face", "mouth"), weight=0.5, start=0.4),
    "hair": Attribute("looks", "", ("hair", "eyebrows"), weight=0.5, start=0.4),
    "eyes": Attribute("looks", "{} eyes", ("eyes",), weight=0.5, start=0.4),
    "glasses": Attribute("looks", "", ("eyes",), weight=0.5, start=0.4),
    "beard": Attribute("looks", "face with {}", ("face",), weight=0.5, start=0.4),
    "skin": Attribute("looks", "face with {}", ("face", "ears", "nose"), weight=0.5, start=0.4),
    "expression": Attribute("mood", "", ("mouth",)),
}
"""By name. Weights and starts are measured with the small models: docs/attributes.md."""

_AGES = r"old|older|young|younger|elderly|middle-aged|teenage"
_NOUNS = r"woman|man|girl|boy|lady|gentleman|person|female|male|grandmother|grandfather|actress|actor|child|teenager"
_SUBJECT = re.compile(rf"(?<![\w:-])(?:(an?)\s+)?(?:({_AGES})\s+)?({_NOUNS})(?![\w'-])", re.IGNORECASE)


@dataclass(frozen=True)
class Changed:
    """A person with other attributes, and how to draw them. weight: of the ID tokens; schedule: when they act."""

    identity: Identity
    prompt: str
    weight: float
    schedule: Schedule


def change_attributes(
    identity: Identity,
    prompt: str,
    changes: Mapping[str, str],
    strength: float = 1.0,
    table: Mapping[str, Attribute] = ATTRIBUTES,
) -> Changed:
    """The person with what `changes` names as its words say it; the inputs are not changed.

    changes: {one of ATTRIBUTES: words such as "long blond hair"}; empty words change nothing. strength: 0..1, how far
    the person gives way; 0 changes words alone. table: what gives way, to try other values. ConsistentIDError for other
    names and numbers.
    """
    wrong = changes.keys() - ATTRIBUTES.keys()
    if wrong or not 0 <= strength <= 1:
        raise ConsistentIDError(
            f"Cannot change {', '.join(sorted(wrong)) or 'attributes'} with strength {strength:g}: attributes are "
            f"{', '.join(ATTRIBUTES)}; the strength is from 0 to 1."
        )
    trimmed = {name: changes.get(name, "").strip(" ,.;\n") for name in ATTRIBUTES}
    words = {name: text for name, text in trimmed.items() if text}
    chosen = [table[name] for name in words]
    weight = min((attribute.weight for attribute in chosen), default=1.0)
    start = max((attribute.start for attribute in chosen), default=0.0)
    return Changed(
        replace(_weaken(identity, chosen, strength), caption=write_caption(identity.caption, words)),
        write_prompt(prompt, words),
        interpolate_line(1.0, weight, strength),
        Schedule(start=strength * start),
    )


def parse_change(text: str) -> tuple[str, str]:
    """Attribute and words of a change as it is written on a command line.

    >>> parse_change("hair=long blond hair")
    ('hair', 'long blond hair')
    """
    name, equals, words = text.partition("=")
    if not equals or name.strip() not in ATTRIBUTES or not words.strip():
        raise ConsistentIDError(
            f"'{text}' is not a change: write ATTRIBUTE=WORDS, such as hair=long blond hair. Attributes are "
            f"{', '.join(ATTRIBUTES)}.{suggest(name.strip(), ATTRIBUTES)}"
        )
    return name.strip(), words.strip()


def write_prompt(prompt: str, words: Mapping[str, str]) -> str:
    """A prompt that says what changes: behind and around its first word for a person, or at its end without one.

    >>> write_prompt("a woman in a park", {"age": "old", "hair": "white hair", "glasses": "glasses"})
    'an old woman with white hair and glasses in a park'
    >>> write_prompt("a young man, film still", {"gender": "woman", "expression": "smiling"})
    'a young woman, film still, smiling'
    """
    if not words:
        return prompt
    if "gender" in words:
        words = {**words, "gender": re.sub(r"^an?\s+", "", words["gender"])}
    said = {place: [words[x] for x, one in ATTRIBUTES.items() if x in words and one.place == place] for place in PLACES}
    looks = [f"with {_list(said['looks'])}"] if said["looks"] else []
    subject = _SUBJECT.search(re.sub(EMBEDDING, lambda name: " " * len(name[0]), prompt))
    if subject is None:
        return ", ".join([prompt] * bool(prompt) + said["adjective"] + said["noun"] + looks + said["mood"])
    article, age, noun = subject.groups()
    person = [*(said["adjective"] or [age] * bool(age)), *(said["noun"] or [noun]), *looks]
    text = " ".join(([_choose_article(person[0], article)] if article else []) + person)
    return ", ".join([prompt[: subject.start()] + text + prompt[subject.end() :], *said["mood"]])


def write_caption(caption: str, words: Mapping[str, str]) -> str:
    """A facial description in which the words stand for what the person has; as it is, where no clause changes.

    >>> write_caption("", {"beard": "a full beard", "age": "wrinkled", "eyes": "blue"})
    'wrinkled face with a full beard, two ears, blue eyes, a nose, a mouth'
    """
    texts = {name: words[name] for name, one in ATTRIBUTES.items() if name in words and one.clause}
    if not texts:
        return caption
    clauses = {_find_region(clause): clause for clause in split_clauses(normalise_caption(caption))}
    for region in dict.fromkeys(ATTRIBUTES[name].regions[0] for name in texts):
        said = {"{} " + region: [], region + " with {}": []}
        for name, text in texts.items():
            if ATTRIBUTES[name].regions[0] == region:
                said[ATTRIBUTES[name].clause].append(re.sub(rf"\s*\b{region}$", "", text))
        before, behind = said.values()
        clauses[region] = " ".join([*before, region, *([f"with {_list(behind)}"] if behind else [])])
    return ", ".join(clauses[region] for region in WORDS if region in clauses)


def _weaken(identity: Identity, chosen: list[Attribute], strength: float) -> Identity:
    keys = {word: identity.find_region(word) for attribute in chosen for word in attribute.regions}
    left = {word: (1 - strength) * identity.strengths.get(key, 1.0) for word, key in keys.items() if key}
    return adjust_regions(identity, left)


def _find_region(clause: str) -> str:
    return next(word for word in WORDS if find_word([clause], word))


def _choose_article(word: str, like: str) -> str:
    article = "an" if word[:1].lower() in "aeiou" else "a"
    return article.capitalize() if like[0].isupper() else article


def _list(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
