"""Several photos of one person become one identity; a photo of somebody else is found and left out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..errors import ConsistentIDError
from ..finite import require_finite
from ..prompt.mark import WORDS
from .compatibility import check_same_models
from .person import Identity, check_caption

METHODS = ("mean", "weighted by quality", "best")
"""By cosine to a photo that was held out, real people and another 512-d recogniser: mean 0.80, best 0.71."""

Value = TypeVar("Value", Tensor, float)

HIGHEST_WEIGHT = 1e6

OUTLIER_BELOW = 0.35
"""Cosine of two photos. In draws from 165 photos of 27 people, by that recogniser, a random stranger stays in 0-0.8%
and a look-alike in 3-8% (at 0.25: 1.3-5% and 23-35%), and no photo of the person is lost; nor is one of 75 drawings of
15 people, by the small models' recogniser."""


def combine_identities(
    identities: Sequence[Identity],
    method: str = "mean",
    weights: Sequence[float] | None = None,
    outlier_below: float = OUTLIER_BELOW,
    caption: str = "",
) -> tuple[Identity, str]:
    """One identity from several photos of a person, and a report; the inputs are not changed.

    method: one of METHODS; "best" is the photo of the highest quality alone. weights: one number from 0 up for each
    identity, in place of the method. outlier_below: where three or more have an ID embedding, those whose cosine to
    the most central one is less are left out; two that disagree are kept and reported. caption: "" for that of the
    best photo. The ID embedding is the weighted mean at unit length; features are weighted means over the photos that
    show the region. ConsistentIDError when nothing is given or the weights do not fit.
    """
    if not identities:
        raise ConsistentIDError("No identity to combine: connect at least one.")
    check_same_models(identities)
    central, cosines = compare_embeddings(identities)
    require_finite(outlier_below=outlier_below)
    outliers = _find_outliers(cosines, outlier_below)
    shares = _share_out(identities, method, weights, outliers)
    combined = _average([(person, share) for person, share in zip(identities, shares, strict=True) if share])
    if caption.strip():
        check_caption(caption.strip())
        combined = replace(combined, caption=caption.strip())
    return combined, _report_shares(identities, shares, central, cosines, outliers, outlier_below)


def compare_embeddings(identities: Sequence[Identity]) -> tuple[int | None, list[float | None]]:
    """The index of the most central ID embedding, and each one's cosine to it; None where there is no embedding."""
    known = {n: person.id_embedding for n, person in enumerate(identities) if person.id_embedding is not None}
    cosines: list[float | None] = [None] * len(identities)
    if not known:
        return None, cosines
    numbers = list(known)
    embeddings = normalize(torch.stack([embedding.double() for embedding in known.values()]), dim=1)
    table = embeddings @ embeddings.T
    central = int(table.sum(1).argmax())
    for number, cosine in zip(numbers, table[central].tolist(), strict=True):
        cosines[number] = cosine
    return numbers[central], cosines


def unite_origins(people: Sequence[Identity]) -> dict:
    """The sources of all and their notes, those of the first before others; as fields of an Identity."""
    notes = {key: text for person in reversed(people) for key, text in person.notes.items()}
    return {"sources": tuple(dict.fromkeys(x for person in people for x in person.sources)), "notes": notes}


def _find_outliers(cosines: list[float | None], threshold: float) -> set[int]:
    """Those unlike the most central one; nobody where they are half of all or more, since then who is who is open."""
    known = {number: cosine for number, cosine in enumerate(cosines) if cosine is not None}
    unlike = {number for number, cosine in known.items() if cosine < threshold}
    return unlike if 2 * len(unlike) < len(known) else set()


def _share_out(
    identities: Sequence[Identity], method: str, weights: Sequence[float] | None, outliers: set[int]
) -> list[float]:
    """The share of each identity in the result; they add up to 1."""
    kept = [number for number in range(len(identities)) if number not in outliers]
    qualities = [person.quality for person in identities]
    best = max(kept, key=lambda number: qualities[number])
    if weights:
        shares = list(weights)
    elif method == "mean" or (method == "weighted by quality" and not qualities[best]):
        shares = [1.0] * len(identities)
    elif method == "weighted by quality":
        shares = qualities
    elif method == "best":
        shares = [float(number == best) for number in range(len(identities))]
    else:
        raise ConsistentIDError(f"Unknown method '{method}'; choose {', '.join(METHODS)}.")
    if len(shares) != len(identities) or not all(0 <= share <= HIGHEST_WEIGHT for share in shares):
        raise ConsistentIDError(
            f"There have to be as many weights as identities ({len(identities)}), from 0 up, at most "
            f"{HIGHEST_WEIGHT:g}; got {shares}."
        )
    kept_shares = [share if number in kept else 0.0 for number, share in enumerate(shares)]
    total = sum(kept_shares)
    if not total:
        raise ConsistentIDError(
            f"No weight is left of {shares}; left out as another person: {len(outliers)}. Give the others more "
            "weight, or lower 'outlier_below'."
        )
    return [share / total for share in kept_shares]


def _average(used: list[tuple[Identity, float]]) -> Identity:
    if len(used) == 1:
        return used[0][0]
    ranked = [person for person, _ in sorted(used, key=lambda pair: -pair[0].quality)]
    embeddings = [(person.id_embedding.float(), share) for person, share in used if person.id_embedding is not None]
    features, strengths = {}, {}
    for word in WORDS:
        key = _choose_key(used, word)
        if key:
            shown = [(person, share) for person, share in used if person.find_region(word) == key]
            features[key] = _mean((person.region_features[key].float(), share) for person, share in shown)
            strengths[key] = _mean((person.strengths.get(key, 1.0), share) for person, share in shown)
    return Identity(
        photo_features=_mean((person.photo_features.float(), share) for person, share in used),
        zero_features=ranked[0].zero_features,
        region_features=features,
        id_embedding=normalize(_mean(embeddings), dim=0) if embeddings else None,
        caption=next((person.caption for person in ranked if person.caption), ""),
        quality=_mean((person.quality, share) for person, share in used),
        strengths=strengths,
        thumbnail=next((person.thumbnail for person in ranked if person.thumbnail is not None), None),
        **unite_origins(ranked),
    )


def _choose_key(used: list[tuple[Identity, float]], word: str) -> str | None:
    """The region key that stands for a word in most of the photos: of left and right eye, say, one is enough."""
    votes = defaultdict(float)
    for person, share in used:
        votes[person.find_region(word)] += share
    votes.pop(None, None)
    return max(votes, key=lambda key: votes[key], default=None)


def _mean(pairs: Iterable[tuple[Value, float]]) -> Value:
    """Weighted mean of tensors or of numbers."""
    pairs = list(pairs)
    total = sum(share for _, share in pairs)
    first, *others = (value * (share / total) for value, share in pairs)
    return sum(others, start=first)


def _report_shares(identities, shares, central, cosines, outliers, outlier_below) -> str:
    likenesses = ["no ID embedding" if c is None else f"cosine {c:.2f} to identity {central + 1}" for c in cosines]
    for number in outliers:
        likenesses[number] += f", below {outlier_below:g}: left out, probably another person"
    lines = [f"{sum(map(bool, shares))} of {len(identities)} identities used."] + [
        f"Identity {number}: weight {share:.2f}, quality {person.quality:.2f}, {likeness}."
        for number, (person, share, likeness) in enumerate(zip(identities, shares, likenesses, strict=True), 1)
    ]
    if not outliers and any(cosine is not None and cosine < outlier_below for cosine in cosines):
        lines.append(
            f"Warning: a cosine below {outlier_below:g} suggests several people, and none of them has most of the "
            "photos. Nothing was left out; add photos of the person you want, or take the others away."
        )
    return "\n".join(lines)
