"""Plots of numbers in one plain style: curves over steps, and means with their intervals.

matplotlib draws them, so no function here works without it; nothing is shown in a window.
"""

import io
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

from .packages import needed
from .whole_file import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
BLUE, SKY, ORANGE, GREY, LIGHT = "#0072b2", "#56b4e9", "#d55e00", "#6b6b6b", "#d0d0d0"
"""Of curves and means; the same on dark; of marks; of what is beside the point; of grids. The colour-blind tell them
apart too (Okabe, Ito: Color Universal Design)."""
STYLE: Any = {
    "font.family": "DejaVu Sans",  # matplotlib brings it, so plots look alike everywhere
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
}
PIXELS_PER_INCH = 110
PANEL_INCHES = (3.6, 2.2)
SMOOTHED_PART = 20
ORDERS = 5
"""A logarithmic axis is for values of which the largest is this many times the smallest."""
TITLE_LETTERS = 42
LABEL_LETTERS = 48
PAPER_COLOURS = 64
FOOT_INCHES = 0.2


class Span(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Values over steps, in the order of the steps. logarithmic: whether the axis may be, where values fall far."""

    title: str
    steps: Sequence[float]
    values: Sequence[float]
    smooth: bool = True
    logarithmic: bool = False


def _styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """Draw in this style, and leave that of others alone."""

    @wraps(draw)
    def draw_styled(*arguments: P.args, **more: P.kwargs) -> "Figure":
        with needed("matplotlib", "Plots"):
            from matplotlib import rc_context
        with rc_context(STYLE):
            return draw(*arguments, **more)

    return draw_styled


@_styled
def draw_curves(curves: Sequence[Curve], columns: int = 2, marks: Collection[float] = (), mark: str = "") -> "Figure":
    """Each curve in a panel of its own: the values pale, and smoothed. marks: steps with an upright line; `mark` says
    what they are."""
    columns = min(columns, len(curves))
    rows = -(-len(curves) // columns)
    figure, panels = _make_panels(rows, columns, (PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows + 0.4))
    for place, (curve, panel) in enumerate(zip(curves, panels, strict=False)):
        _draw_curve(panel, curve, marks)
        if place // columns == rows - 1:
            panel.set_xlabel("step")
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    words = ["pale: as measured", "blue: smoothed"] if any(curve.smooth for curve in curves) else []
    words += [f"dashed: {mark}"] if marks else []
    figure.text(0.995, 0.003, "; ".join(words), ha="right", va="bottom", color=GREY, fontsize=8)
    return figure


def _draw_curve(panel: "Axes", curve: Curve, marks: Collection[float]) -> None:
    panel.set_title(textwrap.fill(curve.title, TITLE_LETTERS))
    panel.grid(True)
    if curve.smooth:
        panel.plot(curve.steps, curve.values, color=BLUE, alpha=0.3, linewidth=0.8)
    values = smooth_values(curve.values) if curve.smooth else curve.values
    panel.plot(curve.steps, values, color=BLUE, linewidth=1.6)
    if curve.logarithmic and min(curve.values) > 0 and max(curve.values) > ORDERS * min(curve.values):
        _mark_orders(panel)
    for step in marks:
        panel.axvline(step, color=ORANGE, linestyle="--", linewidth=1)


def _mark_orders(panel: "Axes") -> None:
    """A logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = panel.get_ylim()
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * max(low, 1e-9) else (1,)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_locator(NullLocator())


def smooth_values(values: Sequence[float]) -> list[float]:
    """Means of each value and its neighbours: of few at the beginning, where a curve is steep, then of more and more,
    up to the SMOOTHED_PART-th part of all on either side; at the end of those before it.

    >>> smooth_values([8, 6, 1, 1, 3, 5, 7])
    [8.0, 6.0, 1.0, 1.6666666666666667, 3.0, 5.0, 6.0]
    """
    most = max(len(values) // SMOOTHED_PART, 1)
    smoothed = []
    for place in range(len(values)):
        reach = min(most, place // 3)
        part = values[place - reach : place + reach + 1]
        smoothed.append(sum(part) / len(part))
    return smoothed


@_styled
def draw_intervals(
    rows: Mapping[str, Mapping[str, Span | None]],
    columns: Sequence[str],
    note: str = "95% intervals",
    beside: Collection[str] = (),
    compared: str = "",
) -> "Figure":
    """Rows from top to bottom, a panel for each column; a dot is a mean, a line its interval.

    beside: rows in grey, such as bounds. compared: the row whose mean is dashed in every panel; without one, and where
    a column has values on both sides of 0, that is 0.
    """
    labels = [textwrap.fill(title, LABEL_LETTERS) for title in rows]
    height = 0.28 * len(rows) + 0.14 * sum(label.count("\n") for label in labels) + 0.9
    figure, panels = _make_panels(1, len(columns), (3.0 + 2.1 * len(columns), height), sharey=True)
    for column, panel in zip(columns, panels, strict=True):
        _draw_spans(panel, {title: row.get(column) for title, row in rows.items()}, beside, compared)
        panel.set_title(column)
    panels[0].set_yticks(range(len(rows)), labels)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    words = [note, "each column on a scale of its own"] + ([f"dashed: {compared}"] if compared else [])
    figure.text(0.995, 0.005, "; ".join(words), ha="right", va="bottom", color=GREY, fontsize=8)
    return figure


def _draw_spans(panel: "Axes", spans: Mapping[str, Span | None], beside: Collection[str], compared: str) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.grid(True, axis="x")
    panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)
    for place, (title, span) in enumerate(spans.items()):
        if span:
            colour = GREY if title in beside else BLUE
            panel.plot([span.low, span.high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
            panel.plot([span.mean], [place], "o", color=colour, markersize=4.5)
    known = [span for span in spans.values() if span]
    if compared and (at := spans[compared]):
        panel.axvline(at.mean, color=ORANGE, linestyle="--", linewidth=1, zorder=0)
    elif any(span.low < 0 < span.high for span in known) or {span.mean > 0 for span in known} == {True, False}:
        panel.axvline(0, color=ORANGE, linestyle="--", linewidth=1, zorder=0)


def _make_panels(rows: int, columns: int, inches: tuple[float, float], **shared) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    foot = FOOT_INCHES / inches[1]
    layout = ConstrainedLayoutEngine(rect=(0, foot, 1, 1 - foot))
    figure = Figure(inches, dpi=PIXELS_PER_INCH, facecolor="white", layout=layout)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **shared).flat)


def save_plot(figure: "Figure", path: Path, **about: str) -> None:
    """Write a PNG, whole or not at all, with `about` as its text fields."""
    from matplotlib import rc_context
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    data, texts = io.BytesIO(), PngInfo()
    with rc_context(STYLE):
        figure.savefig(data, format="png")
    for name, text in about.items():
        texts.add_text(name, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as part:
        Image.open(data).convert("RGB").quantize(PAPER_COLOURS).save(part, format="PNG", optimize=True, pnginfo=texts)
