"""The tables of a report, of one run or of several side by side, as rows of words."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .metrics import FID, METRICS
from .outcome import compare_outcomes


@dataclass(frozen=True)
class Table:
    """missing: rows that say why there is no number. detail: whether it is for those who look closer."""

    title: str
    note: str
    head: list[str]
    rows: list[list[str]]
    missing: list[list[str]] = field(default_factory=list)
    detail: bool = False


def make_tables(outcomes: list[dict]) -> list[Table]:
    """Every table that has a row; the first run is what the others are compared with."""
    tables = [_show_means(outcomes), _show_failures(outcomes), _show_pairs(outcomes), _show_regions(outcomes)]
    tables += [_show_groups(one, key, title) for one in outcomes for key, title in GROUPS.items()]
    return [table for table in tables if table.rows or table.missing]


GROUPS = {"people": "person", "prompts": "prompt"}
MEANS = (
    "Cosines are from -1 to 1 (published tables show them times 100). The first interval is that of the mean when "
    "pictures are drawn anew, the second when people are, with all their pictures. A picture without a face counts as "
    "0 in FaceSim and FGIS."
)


def _show_means(outcomes: list[dict]) -> Table:
    head = ["Metric", "Run", "Mean", "95% interval", "95%, over people", "Pictures"]
    rows, missing = [], []
    for metric, about in METRICS.items():
        if about.optional and not any(metric in one["summary"] for one in outcomes):
            continue
        for one in outcomes:
            estimate, reason = one["summary"].get(metric), one["not_measured"].get(metric, "not measured: not known")
            (rows if estimate else missing).append([_title(about), one["title"], *_show(estimate, metric, reason)])
    for one in outcomes:
        fid, cells = one["fid"], [_title(FID), one["title"]]
        if fid:
            rows.append([*cells, f"{fid['value']:.1f}", "", "", f"{fid['pictures']}, {fid['real']} real"])
        else:
            missing.append([*cells, one["not_measured"].get("fid", ""), "", "", ""])
    notes = [f"{one['title']}: {note}" for one in outcomes for note in one["notes"]]
    return Table("Means", " ".join([MEANS, *notes]), head, rows, missing)


def _show_failures(outcomes: list[dict]) -> Table:
    faces = [metric for metric, about in METRICS.items() if about.zero_if_faceless]
    faces = [metric for metric in faces if any(metric in one["failures"] for one in outcomes)]
    head = ["Run", "Planned", "Not drawn", *(f"No face or region ({METRICS[metric].title})" for metric in faces)]
    rows = [
        [one["title"], *(str(one["failures"].get(name, "-")) for name in ("cases", "not_drawn", *faces))]
        for one in outcomes
    ]
    return Table("Failures", "Pictures that were not drawn count in no mean.", head, rows)


def _show_pairs(outcomes: list[dict]) -> Table:
    first, *others = outcomes
    head = ["Metric", "Runs", "Difference", "95% interval", "95%, over people", "Pairs", "Better in"]
    rows, missing = [], []
    for other in others:
        found, names = compare_outcomes(first, other), f"{other['title']} - {first['title']}"
        for metric, estimate in found["metrics"].items():
            cells = _show(estimate, metric, "", signed=True)
            rows.append([_title(METRICS[metric]), names, *cells, f"{estimate['better']:.0%}"])
        for metric, reason in found["skipped"].items():
            missing.append([_title(METRICS.get(metric, FID)), names, reason, "", "", "", ""])
    note = (
        "Pictures of the same photo, prompt and seed in both runs. While an interval holds 0, no difference is shown. "
        "Compare seconds only on one machine."
    )
    return Table("Pairs", note, head, rows, missing)


def _show_regions(outcomes: list[dict]) -> Table:
    rows = [
        [word, one["title"], *_show(estimate, "fgis", "")]
        for word in dict.fromkeys(word for one in outcomes for word in one["regions"])
        for one in outcomes
        if (estimate := one["regions"].get(word))
    ]
    note = "Over the pictures in which the region is seen."
    return Table("FGIS by region", note, ["Region", "Run", "Mean", "95% interval", "", "Pictures"], rows, detail=True)


def _show_groups(outcome: dict, key: str, title: str) -> Table:
    """Means by person or prompt; of a person also what a real photo scores."""
    groups = outcome[key]
    metrics = [metric for metric in METRICS if any(metric in group for group in groups.values())]
    real = outcome["real_photo"] if key == "people" else {}
    with_real = [m for m in metrics if any(known.get(m) is not None for known in real.values())]
    head = [title.capitalize(), *(_title(METRICS[metric]) for metric in metrics)]
    head += [f"Real photo ({METRICS[metric].title})" for metric in with_real]
    rows = []
    for name, group in groups.items():
        means = [" ".join(_show(group.get(metric), metric, "-")[:2]).strip() for metric in metrics]
        rows.append([name, *means, *(write_number(real[name].get(metric), metric) for metric in with_real)])
    return Table(f"{outcome['title']} by {title}", "", head, rows, detail=True)


def _title(about) -> str:
    return f"{about.title} {'↑' if about.higher_is_better else '↓'}"


def _show(estimate: dict | None, metric: str, reason: str, signed: bool = False) -> list[str]:
    """Mean, two intervals, number of pictures."""
    if estimate is None:
        return [reason, "", "", ""]
    intervals = (write_interval(estimate[name], metric, signed) for name in ("interval", "by_person"))
    return [write_number(estimate["mean"], metric, signed), *intervals, str(estimate["n"])]


def write_interval(ends: Iterable[float] | None, metric: str, signed: bool) -> str:
    return f"[{', '.join(write_number(end, metric, signed) for end in ends)}]" if ends else ""


def write_number(value: float | None, metric: str, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:{'+' if signed else ''}.{2 if metric == 'seconds' else 3}f}"
