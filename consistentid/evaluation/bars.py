"""The means of a report as bars with their intervals, in percent of a width, for the page to lay out."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from .metrics import METRICS, Metric
from .outcome import compare_outcomes
from .tables import write_interval, write_number


@dataclass(frozen=True)
class Bar:
    """left, width: of the bar; low, high: of its interval, None without one; all 0..100. beside: of no run."""

    title: str
    text: str
    left: float
    width: float
    low: float | None
    high: float | None
    beside: bool = False


@dataclass(frozen=True)
class Bars:
    """The bars of one metric on a scale of its own, on which 0 is at `zero`, 0..100."""

    title: str
    note: str
    zero: float
    bars: list[Bar]


@dataclass(frozen=True)
class _Mean:
    """What becomes a bar."""

    title: str
    mean: float
    ends: tuple[float, float] | None
    text: str
    beside: bool = False


def make_bars(outcomes: list[dict]) -> list[Bars]:
    """Of every metric that was measured, the mean of each run, and of real photos where they were."""
    found = []
    for metric, about in METRICS.items():
        means = [_read(one["title"], one["summary"][metric], metric) for one in outcomes if metric in one["summary"]]
        real = [value for known in outcomes[0]["real_photo"].values() if (value := known.get(metric)) is not None]
        if means and real:
            means.append(_Mean("real photos", fmean(real), None, write_number(fmean(real), metric), beside=True))
        if means:
            found.append(_scale(about, means))
    return found


def make_differences(outcomes: list[dict]) -> list[Bars]:
    """Of every metric, by how much pictures of each run differ from those of the first."""
    first, *others = outcomes
    found: dict[str, list[_Mean]] = {}
    for other in others:
        for metric, estimate in compare_outcomes(first, other)["metrics"].items():
            mean = _read(other["title"], estimate, metric, f", better in {estimate['better']:.0%}")
            found.setdefault(metric, []).append(mean)
    return [_scale(METRICS[metric], means) for metric, means in found.items()]


def _read(title: str, estimate: dict, metric: str, better: str = "") -> _Mean:
    """The interval when people are drawn anew, where there are enough of them, else when pictures are."""
    ends, signed = estimate["by_person"] or estimate["interval"], bool(better)
    text = f"{write_number(estimate['mean'], metric, signed)} {write_interval(ends, metric, signed)}".strip() + better
    return _Mean(title, estimate["mean"], tuple(ends) if ends else None, text)


def _scale(about: Metric, means: list[_Mean]) -> Bars:
    ends = [end for one in means for end in (one.mean, *(one.ends or ()))]
    low, high = min(0.0, *ends), max(0.0, *ends)
    place = _find_places(low, high)
    bars = []
    for one in means:
        left, right = sorted((place(0.0), place(one.mean)))
        start, end = map(place, one.ends) if one.ends else (None, None)
        bars.append(Bar(one.title, one.text, left, right - left, start, end, one.beside))
    better = "higher" if about.higher_is_better else "lower"
    return Bars(about.title, f"{about.text}; {better} is better", place(0.0), bars)


def _find_places(low: float, high: float) -> Callable[[float], float]:
    width = high - low or 1.0
    return lambda value: round(100 * (value - low) / width, 2)
