"""`python -m zoo.recipe.plots`: the tables and curves of docs as pictures, from what stands there; nothing is measured.

`python -m zoo.recipe.plots FOLDER` draws the curves of a recipe that is at work, FOLDER/curves, as curves.png there.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from consistentid.fingerprint import hash_record
from consistentid.plots import Curve, draw_curves, draw_intervals, save_plot
from consistentid.training.curves import TITLES

from .tables import Table, read_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
NUMBERS = "numbers"
"""The field of a PNG that says which numbers it shows."""
SHOWN = ("likeness", "face", "eyes", "prompt")
"""Columns of the proof that are drawn."""
PEOPLE_ANEW = "95% intervals, people drawn anew"


@dataclass(frozen=True)
class Plot:
    """One picture. numbers: what it shows, as JSON can hold it."""

    numbers: object
    draw: "Callable[[], Figure]"

    def save(self, path: Path) -> None:
        save_plot(self.draw(), path, **{NUMBERS: hash_record(self.numbers)})

    def is_in(self, path: Path) -> bool:
        """Whether a PNG shows these numbers."""
        with Image.open(path) as picture:
            return picture.info.get(NUMBERS) == hash_record(self.numbers)


def list_plots(docs: Path = DOCS) -> dict[str, Plot]:
    """{file in docs/pictures: what it shows}"""
    (attributes, *_) = read_tables((docs / "attributes.md").read_text(encoding="utf-8"))
    return {
        "curves.png": plot_curves(docs / "curves"),
        "attributes.png": _plot_table(attributes, ("obeyed", "likeness")),
        **plot_proof((docs / "proof.md").read_text(encoding="utf-8")),
    }


def plot_proof(markdown: str) -> dict[str, Plot]:
    """The cells of the proof, and their differences picture by picture, from its tables."""
    cells, pairs, *_ = read_tables(markdown)
    return {"proof.png": _plot_table(cells, SHOWN, "base model"), "proof_pairs.png": _plot_table(pairs, SHOWN)}


def _plot_table(table: Table, columns: tuple[str, ...], compared: str = "") -> Plot:
    """Rows that begin with "drawn" are of drawings, no model's."""
    beside = [title for title in table if title.startswith("drawn")]
    numbers = [[title, [row.get(column) for column in columns]] for title, row in table.items()]
    return Plot(numbers, partial(draw_intervals, table, columns, PEOPLE_ANEW, beside, compared))


def plot_curves(folder: Path) -> Plot:
    """Every column of every CSV file of `folder` over its steps, but for the seconds."""
    curves = []
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        steps, title = [int(row["step"]) for row in rows], file.stem.replace("_", " ")
        for name in [name for name in rows[0] if name not in ("step", "seconds")] if rows else ():
            about = title if name == "loss" else f"{title}: {TITLES.get(name, name)}"
            curves.append(Curve(about, steps, [float(row[name]) for row in rows], logarithmic=True))
    return Plot([[curve.title, curve.steps, curve.values] for curve in curves], partial(draw_curves, curves, 4))


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="zoo.recipe.plots", description="Draws numbers that were measured.")
    parser.add_argument("folder", type=Path, nargs="?", help="of zoo.recipe: draw its curves (default: those of docs)")
    folder = parser.parse_args(words).folder
    plots = {"curves.png": plot_curves(folder / "curves")} if folder else list_plots()
    for name, plot in plots.items():
        path = (folder / "curves" if folder else DOCS / "pictures") / name
        plot.save(path)
        print(f"Plot  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
