"""A report to read: Markdown, and one HTML page with the pictures in it."""

import base64
import io
import json
from pathlib import Path

from ..face.photo import open_photo
from ..packages import needed
from .metrics import FID, METRICS
from .plan import read_plan
from .tables import Table, make_tables

THUMBNAIL_PX = 224
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
    rows = [table.head, ["---"] * len(table.head), *table.rows]
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
        tables=make_tables(outcomes),
        metrics=[*METRICS.values(), FID],
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
    cell = {"run": outcome["title"], "error": "not in this run", "picture": "", "scores": []}
    if row is None:
        return cell
    scores = [
        f"{about.title} {'no face' if row['scores'][metric] is None else format(row['scores'][metric], '.3f')}"
        for metric, about in METRICS.items()
        if metric in row["scores"]
    ]
    picture = "" if row["error"] else inline_picture(folder / "pictures" / row["picture"])
    return cell | {"error": row["error"], "picture": picture, "scores": scores}


def inline_picture(path: Path, side_px: int = THUMBNAIL_PX) -> str:
    """A JPEG as a data URL, its longer side at most side_px."""
    from PIL import Image

    image = Image.fromarray(open_photo(path))
    image.thumbnail((side_px, side_px))
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _dump_settings(outcomes: list[dict]) -> str:
    made = [{key: one[key] for key in ("title", "plan", "record", "scorers", "versions")} for one in outcomes]
    return json.dumps(made, ensure_ascii=False, indent=1)


def _join_titles(outcomes: list[dict]) -> str:
    return "Evaluation: " + ", ".join(one["title"] for one in outcomes)


def _escape(text: str) -> str:
    return text.translate(MARKDOWN_SIGNS)
