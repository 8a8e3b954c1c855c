"""Means with 95% bootstrap intervals: of a run, of each person and prompt, and of differences between two runs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..packages import needed
from .metrics import METRICS

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over n pictures, and its interval; None for fewer than two. by_person: the interval when people are drawn
    anew, with all their pictures; None for fewer than three people."""

    mean: float
    interval: tuple[float, float] | None
    n: int
    by_person: tuple[float, float] | None = None


def read_value(row: dict, metric: str) -> float | None:
    """What a picture counts in a mean: None when it was not measured, 0 where there should be a face and is none."""
    if row["error"] or metric not in row["scores"]:
        return None
    value = row["scores"][metric]
    return 0.0 if value is None and METRICS[metric].zero_if_faceless else value


def estimate_mean(values: list[float], people: Sequence[str] = ()) -> Estimate | None:
    """people: whose picture each value is of. None for no value."""
    if not values:
        return None
    groups: dict[str, list[float]] = {}
    for value, person in zip(values, people, strict=False):
        groups.setdefault(person, []).append(value)
    return Estimate(
        float(np.mean(values)),
        _resample([[value] for value in values]) if len(values) > 1 else None,
        len(values),
        _resample(list(groups.values())) if len(groups) > 2 else None,
    )


def summarise(rows: list[dict]) -> dict:
    """{metric: estimate as a dict} of the metrics that were measured."""
    found = {}
    for metric in METRICS:
        measured = [(value, row["person"]) for row in rows if (value := read_value(row, metric)) is not None]
        if estimate := estimate_mean([value for value, _ in measured], [person for _, person in measured]):
            found[metric] = asdict(estimate)
    return found


def summarise_groups(rows: list[dict], key: str) -> dict[str, dict]:
    """{person or prompt: summary}, in the order of the plan."""
    return {name: summarise([row for row in rows if row[key] == name]) for name in dict.fromkeys(r[key] for r in rows)}


def summarise_regions(rows: list[dict]) -> dict[str, dict]:
    """{region: estimate} over the pictures that have it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for word, cosine in row["scores"].get("regions", {}).items():
            found.setdefault(word, []).append(cosine)
    return {word: asdict(estimate) for word, values in found.items() if (estimate := estimate_mean(values))}


def count_failures(rows: list[dict]) -> dict[str, int]:
    """Pictures in all, not drawn, and of those drawn the ones without a face for each metric that needs one."""
    drawn = [row for row in rows if not row["error"]]
    counts = {"cases": len(rows), "not_drawn": len(rows) - len(drawn)}
    for metric, about in METRICS.items():
        if about.zero_if_faceless and any(metric in row["scores"] for row in drawn):
            counts[metric] = sum(row["scores"].get(metric, 0) is None for row in drawn)
    return counts


def compare_pairs(first: list[dict], second: list[dict], metrics: Iterable[str]) -> dict[str, dict]:
    """{metric: estimate of second minus first, and "better": the share of pairs where the second is better}.

    Pairs are the cases of one key that both have drawn; equal values count half.
    """
    others = {row["key"]: row for row in second}
    pairs = [(row, others[row["key"]]) for row in first if row["key"] in others]
    found = {}
    for metric in metrics:
        both = [(read_value(a, metric), read_value(b, metric), a["person"]) for a, b in pairs]
        both = [(b - a, person) for a, b, person in both if a is not None and b is not None]
        differences = np.array([difference for difference, _ in both])
        if estimate := estimate_mean(differences.tolist(), [person for _, person in both]):
            sign = 1 if METRICS[metric].higher_is_better else -1
            better = float(np.mean((np.sign(differences) * sign + 1) / 2))
            found[metric] = asdict(estimate) | {"better": better}
    return found


def _resample(groups: list[list[float]]) -> tuple[float, float]:
    """Interval of the mean over all values when groups are drawn anew; the same for the same values."""
    with needed("scipy", "The interval of a mean"):
        from scipy.stats import bootstrap

    sums, counts = np.array([(sum(group), len(group)) for group in groups], dtype=float).T
    if np.ptp(sums / counts) == 0:
        return float(sums[0] / counts[0]), float(sums[0] / counts[0])

    def mean(sums, counts, axis):
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    result = bootstrap(
        (sums, counts),
        mean,
        paired=True,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        random_state=0,  # pyright: ignore[reportCallIssue] SciPy's new name, rng, draws other numbers
    )
    low, high = result.confidence_interval
    return float(low), float(high)
