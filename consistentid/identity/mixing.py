"""Two people become a third, and regions of one person become stronger or weaker."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..errors import ConsistentIDError
from ..prompt.mark import WORDS
from .combination import unite_origins
from .compatibility import check_same_models
from .person import HIGHEST_STRENGTH, Identity

CHOICES = ("mixed", "A", "B")
_PARTS = {"A": 0.0, "B": 1.0}
_SMALLEST_ANGLE = 1e-3


def mix_identities(
    a: Identity, b: Identity, amount: float, choices: Mapping[str, str] | None = None
) -> tuple[Identity, str]:
    """A person between two, and a report; the inputs are not changed.

    amount: 0 is A, 1 is B, both exactly. choices: {word such as "eyes": one of CHOICES}, "mixed" where nothing is
    said. The ID embedding goes along the sphere, features along a straight line; caption, thumbnail and which of a
    pair (left or right eye) are those of the nearer person. In between, what only one of them has is taken from that
    one. ConsistentIDError for other words or numbers.
    """
    choices = dict.fromkeys(WORDS, "mixed") | dict(choices or {})
    if not 0 <= amount <= 1 or choices.keys() - set(WORDS) or set(choices.values()) - set(CHOICES):
        raise ConsistentIDError(
            f"Cannot mix by {amount} with {choices}: the amount is from 0 to 1, and for each of {', '.join(WORDS)} the "
            f"choice is {', '.join(CHOICES)}."
        )
    check_same_models([a, b])
    parts = {word: _PARTS.get(choice, amount) for word, choice in choices.items()}
    features, strengths = _mix_regions(a, b, parts)
    near, far = (a, b) if amount <= 0.5 else (b, a)
    mixed = replace(
        near,
        photo_features=_go_between(a.photo_features.float(), b.photo_features.float(), amount),
        region_features=features,
        id_embedding=_go_between(a.id_embedding, b.id_embedding, amount, interpolate_sphere),
        quality=_go_between(a.quality, b.quality, amount),
        strengths=strengths,
        **unite_origins([near, far]),
    )
    return mixed, _report_parts(a, b, amount, parts)


def adjust_regions(identity: Identity, strengths: Mapping[str, float]) -> Identity:
    """The person with other strengths of facial tokens: {word such as "eyes": 0..2}, those not named are kept.

    0 leaves the word as plain text, 1 is as trained. ConsistentIDError for other words or numbers.
    """
    wrong = {word: x for word, x in strengths.items() if word not in WORDS or not 0 <= x <= HIGHEST_STRENGTH}
    if wrong:
        raise ConsistentIDError(
            f"Not a region with its strength: {wrong}. Regions are {', '.join(WORDS)}; strengths go from 0 to "
            f"{HIGHEST_STRENGTH:g}."
        )
    keys = {word: identity.find_region(word) for word in strengths}
    changed = {key: strengths[word] for word, key in keys.items() if key}
    return replace(identity, strengths={**identity.strengths, **changed})


def interpolate_sphere(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """From unit vector a [W] (amount 0) to b (1) at even speed along the sphere; of unit length."""
    a, b = a.double(), b.double()
    # Closer together, sphere and straight line are the same.
    angle = max(float(torch.acos((a @ b).clamp(-1, 1))), _SMALLEST_ANGLE)
    return normalize(math.sin((1 - amount) * angle) * a + math.sin(amount * angle) * b, dim=0).float()


def interpolate_line(a, b, amount: float):
    """From a (amount 0) to b (1), numbers or tensors."""
    return a + (b - a) * amount


def _mix_regions(a: Identity, b: Identity, parts: Mapping[str, float]) -> tuple[dict[str, Tensor], dict[str, float]]:
    features, strengths = {}, {}
    for word, part in parts.items():
        region = _go_between(_get_region(a, word), _get_region(b, word), part, _blend_regions)
        if region:
            key, features[key], strengths[key] = region
    return features, strengths


def _get_region(person: Identity, word: str) -> tuple[str, Tensor, float] | None:
    key = person.find_region(word)
    return (key, person.region_features[key].float(), person.strengths.get(key, 1.0)) if key else None


def _blend_regions(a: tuple, b: tuple, part: float) -> tuple[str, Tensor, float]:
    key = a[0] if part <= 0.5 else b[0]
    return key, interpolate_line(a[1], b[1], part), interpolate_line(a[2], b[2], part)


def _go_between(a, b, part: float, interpolate: Callable = interpolate_line):
    """A at part 0 and B at part 1, even if that is None; in between a mixture, or what only one of them has."""
    if part in (0, 1):
        return b if part else a
    if a is None or b is None:
        return b if a is None else a
    return interpolate(a, b, part)


def _report_parts(a: Identity, b: Identity, amount: float, parts: Mapping[str, float]) -> str:
    lines = [f"{1 - amount:.0%} A and {amount:.0%} B."]
    known = {word: (bool(a.find_region(word)), bool(b.find_region(word))) for word in parts}
    known["ID embedding"] = (a.id_embedding is not None, b.id_embedding is not None)
    for word, owners in known.items():
        part = parts.get(word, amount)
        if any(owners) and part in (0, 1):
            owner = "AB"[int(part)]
            lines.append(f"{word}: {owner}" + ("." if owners[int(part)] else ", who has none: left out."))
        elif any(owners) and not all(owners):
            lines.append(f"{word}: only {'AB'[owners[1]]} has it, taken from there.")
    return "\n".join(lines)
