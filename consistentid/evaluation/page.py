"""A report to read: Markdown, and one HTML page with the pictures in it."""

import base64
import io
import json
from pathlib import Path

from ..face.photo import open_photo
from ..packages import needed
from ..plots import BLUE, GREY, SKY
from .bars import make_bars, make_differences
from .metrics import METRICS
from .plan import read_plan
from .tables import Table, make_tables

THUMBNAIL_PX = 384
COLOURS = {"bar": BLUE, "bar_in_dark": SKY, "beside": GREY}
TEMPLATE = Path(__file__).with_name("page.html")
MARKDOWN_SIGNS = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#"} | {"\n": " "})


def write_markdown(outcomes: list[dict]) -> str:
    """The tables of runs; texts of the plan are text."""
    lines = [f"# {_join_titles(outcomes)}", ""]
    lines += [write_table(table) for table in make_tables(outcomes)]
    lines += ["## Made with", "", "```json", _dump_settings(outcomes), "```", ""]
    return "\n".join(lines)


def write_table(table: Table) -> str:
    """A table in Markdown, with its title and note."""
    lines = [f"## {_escape(table.title)}", ""]
    lines += [table.note, ""] if table.note else []
    rows = [table.head, ["---"] * len(table.head), *table.rows, *table.missing]
    lines += [f"| {' | '.join(cell if cell == '---' else _escape(cell) for cell in row)} |" for row in rows]
    return "\n".join([*lines, ""])


def write_page(outcomes: list[dict], folders: list[Path]) -> str:
    """One HTML page that asks for nothing else. folders: where each run's pictures are."""
    with needed("jinja2", "The HTML report"):
        from jinja2 import Environment
    template = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=_join_titles(outcomes),
        runs=[one["title"] for one in outcomes],
        counts=[_tell_counts(one) for one in outcomes],
        colours=COLOURS,
        bars=make_bars(outcomes),
        differences=make_differences(outcomes),
        tables=make_tables(outcomes),
        sheets=_make_sheets(outcomes, folders),
        settings=_dump_settings(outcomes),
    )


def find_photos(folders: list[Path]) -> dict[str, Path]:
    """{person: the photo drawn from} of the plans of runs."""
    photos: dict[str, Path] = {}
    for folder in reversed(folders):
        photos |= {name: paths[0] for name, paths in read_plan(folder / "plan.json").people.items()}
    return photos


def _make_sheets(outcomes: list[dict], folders: list[Path]) -> list[dict]:
    """For each person the photo, and for each case a cell of every run."""
    photos = find_photos(folders)
    sheets: dict[str, dict] = {}
    rows = [{row["key"]: row for row in one["cases"]} for one in outcomes]
    for key in dict.fromkeys(key for cases in rows for key in cases):
        row = next(cases[key] for cases in rows if key in cases)
        name = row["person"]
        sheet = sheets.setdefault(name, {"name": name, "photo": inline_picture(photos[name]), "cases": []})
        cells = [
            _make_cell(cases.get(key), one, folder) for cases, one, folder in zip(rows, outcomes, folders, strict=True)
        ]
        sheet["cases"].append({"prompt": row["prompt"], "seed": row["seed"], "cells": cells})
    return list(sheets.values())


def _make_cell(row: dict | None, outcome: dict, folder: Path) -> dict:
    cell = {"run": outcome["title"], "error": "not in this run", "picture": "", "scores": [], "more": []}
    if row is None:
        return cell
    known = {metric: about for metric, about in METRICS.items() if metric in row["scores"]}
    texts = {metric: f"{about.title} {_tell_score(row['scores'][metric])}" for metric, about in known.items()}
    scores = [texts[metric] for metric, about in known.items() if not about.optional and metric != "seconds"]
    more = [text for text in texts.values() if text not in scores]
    picture = "" if row["error"] else inline_picture(folder / "pictures" / row["picture"])
    return cell | {"error": row["error"], "picture": picture, "scores": scores, "more": more}


def _tell_score(value: float | None) -> str:
    return "no face" if value is None else f"{value:.3f}"


def inline_picture(path: Path, side_px: int = THUMBNAIL_PX) -> str:
    """A JPEG as a data URL, its longer side at most side_px; a picture of half that or less is enlarged dot by dot, so
    that a browser does not blur it."""
    from PIL import Image

    image = Image.fromarray(open_photo(path))
    times = side_px // max(image.size)
    if times > 1:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    image.thumbnail((side_px, side_px))
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _tell_counts(outcome: dict) -> str:
    people, failures = {row["person"] for row in outcome["cases"]}, outcome["failures"]
    text = f"{outcome['title']}: {failures['cases']} pictures of {len(people)} people"
    if failures["not_drawn"]:
        text += f"; {failures['not_drawn']} not drawn, in no mean"
    faceless = max((failures[name] for name in METRICS if name in failures), default=0)
    return text + (f"; {faceless} without a face or region in common, counted as 0." if faceless else ".")


def _dump_settings(outcomes: list[dict]) -> str:
    made = [{key: one[key] for key in ("title", "plan", "record", "scorers", "versions")} for one in outcomes]
    return json.dumps(made, ensure_ascii=False, indent=1)


def _join_titles(outcomes: list[dict]) -> str:
    return "Evaluation: " + ", ".join(one["title"] for one in outcomes)


def _escape(text: str) -> str:
    return text.translate(MARKDOWN_SIGNS)
