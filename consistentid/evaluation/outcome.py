"""A run as one record: what was planned, drawn and measured, by what, and every score."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..checked import parse_json
from ..errors import ConsistentIDError
from ..fingerprint import describe_file
from ..likeness.report import describe_scale
from .frechet import measure_fid
from .gallery import FORMAT, Entry, Gallery, list_versions
from .kept_scores import KeptScores, Naming
from .metrics import METRICS, NEEDS, RECOGNISERS
from .plan import Case, Plan, list_pictures
from .scoring import Scorer
from .summary import compare_pairs, count_failures, summarise, summarise_groups, summarise_regions

FILE = "report.json"
NOT_TRIED = "not drawn yet"


def score_gallery(
    plan: Plan,
    gallery: Gallery,
    scorer: Scorer,
    real: str = "",
    on_case: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Score every picture of a plan; the scorer has learnt the plan's people.

    Scores are kept in the gallery as they come, and found there again where nothing changed that they are made of.
    real: folder of real photos for FID, by default the plan's photos. on_case(done, total) is called before the
    first picture to score and after each.
    """
    rows = _score_cases(plan, gallery, scorer, on_case)
    fid, reasons = None, scorer.models.explain_missing()
    if "fid" not in reasons:
        try:
            fid = _measure_fid(plan, gallery, rows, scorer, real)
        except ConsistentIDError as error:
            reasons["fid"] = f"not measured: {error}"
    if not any(known.looks for known in scorer.people.values()):
        one_photo = "not measured: of nobody there are two photos with a face; name a folder of photos of each"
        reasons = {metric: one_photo for metric in METRICS if metric.startswith("copy_")} | reasons
    measured = {"real_photo": {name: known.baselines for name, known in scorer.people.items()}, "fid": fid}
    return _describe_run(plan, gallery, scorer) | measured | {"not_measured": reasons} | _summarise_rows(rows)


def _describe_run(plan: Plan, gallery: Gallery, scorer: Scorer) -> dict:
    people = {name: [describe_file(path) for path in paths] for name, paths in plan.people.items()}
    record, scorers, recognisers = gallery.read_record(), scorer.models.describe(), scorer.list_recognisers()
    return {
        "format": FORMAT,
        "title": gallery.folder.resolve().name,
        "plan": {"sha256": plan.sha256, "people": people},
        "record": record,
        "scorers": scorers,
        "recognisers": recognisers,
        "versions": list_versions(),
        "notes": _list_notes(record, scorers) + _list_scales(recognisers),
    }


def _summarise_rows(rows: list[dict]) -> dict:
    return {
        "failures": count_failures(rows),
        "summary": summarise(rows),
        "regions": summarise_regions(rows),
        "people": summarise_groups(rows, "person"),
        "prompts": summarise_groups(rows, "prompt"),
        "cases": rows,
    }


def _list_scales(recognisers: dict[str, str]) -> list[str]:
    """What the cosines of a metric mean where they are on another scale than ArcFace's."""
    scales = {METRICS[metric].title: describe_scale(recogniser) for metric, recogniser in recognisers.items()}
    return [f"{title}:{scale}" for title, scale in scales.items() if scale]


def _list_notes(record: dict, scorers: dict) -> list[str]:
    """What makes a second opinion worthless."""
    drawn_with = record.get("settings", {}).get("face_package")
    notes = []
    for option in ("second_package", "third_package"):
        package = scorers.get(option)
        said = f"--{option.replace('_', '-')}"
        for other in RECOGNISERS.values():
            if other == option:
                break
            if package and _is_same(package, scorers.get(other)):
                notes.append(f"{said} is the package of --{other.replace('_', '-')}, so it tells nothing new.")
        if package and _is_same(package, drawn_with):
            notes.append(f"{said} conditioned the pictures, so it flatters them.")
    return notes


def _is_same(package: dict, other) -> bool:
    return isinstance(other, dict) and package["sha256"] == other["sha256"]


def read_outcome(folder: str | Path) -> dict:
    """The record of a folder that was scored."""
    path = Path(folder) / FILE
    try:
        outcome = parse_json(path.read_text(encoding="utf-8"))
        if outcome["format"] == FORMAT:
            return outcome
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConsistentIDError(f"{path} cannot be read ({error}). Make it with: evaluate run.") from error
    raise ConsistentIDError(f"{path} is of another version of this program. Make it again with: evaluate run.")


def compare_outcomes(first: dict, second: dict) -> dict:
    """Pairs of pictures of one photo, prompt and seed: {"metrics": {metric: estimate}, "skipped": {metric: reason}}.

    Scores of different models are not compared.
    """
    same, skipped = [], {}
    for metric, needs in NEEDS.items():
        if any(needs.explain_missing(one["scorers"]) for one in (first, second)):
            continue
        if all(first["scorers"].get(name) == second["scorers"].get(name) for name in needs.models):
            same.append(metric)
        else:
            skipped[metric] = "not compared: measured with different models"
    metrics = [*(metric for metric in same if metric != "fid"), "seconds"]
    return {"metrics": compare_pairs(first["cases"], second["cases"], metrics), "skipped": skipped}


def _score_cases(plan: Plan, gallery: Gallery, scorer: Scorer, on_case: Callable[[int, int], None]) -> list[dict]:
    """A row for each case."""
    entries = {case: gallery.read_entry(case) for case in plan.cases}
    naming, drawn = Naming(plan, scorer.models), [case for case, entry in entries.items() if entry and not entry.error]
    names = {case: naming.name(case.person, case.prompt, gallery.find_picture(case)) for case in drawn}
    kept = KeptScores(gallery.folder, set(names.values()))
    missing = [case for case, name in names.items() if name not in kept.scores]
    on_case(0, len(missing))
    pictures = [(case, gallery.find_picture(case)) for case in missing]
    with closing(scorer.score_all(pictures)) as scored:
        for done, (number, scores) in enumerate(scored, 1):
            kept.add(names[missing[number]], scores)
            on_case(done, len(missing))
    return [_make_row(case, entry, kept.scores.get(names.get(case, ""), {})) for case, entry in entries.items()]


def _make_row(case: Case, entry: Entry | None, scores: dict) -> dict:
    row = {"key": case.key, "person": case.person, "prompt": case.prompt, "seed": case.seed, "picture": case.file}
    if entry is None or entry.error:
        return row | {"error": NOT_TRIED if entry is None else entry.error, "scores": {}}
    return row | {"error": "", "scores": scores | ({} if entry.seconds is None else {"seconds": entry.seconds})}


def _measure_fid(plan: Plan, gallery: Gallery, rows: list[dict], scorer: Scorer, real: str) -> dict:
    paths = list_pictures(real) if real else [path for paths in plan.people.values() for path in paths]
    drawn = [gallery.find_picture(case) for case, row in zip(plan.cases, rows, strict=True) if not row["error"]]
    features = scorer.read_features([*drawn, *paths])
    value = measure_fid(features[: len(drawn)], features[len(drawn) :])
    return {"value": value, "pictures": len(drawn), "real": len(paths)}
