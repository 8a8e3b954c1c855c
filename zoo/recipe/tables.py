"""Means with their intervals in Markdown: written for the pages of docs, and read again to be drawn."""

import re

from consistentid.evaluation.summary import Estimate
from consistentid.plots import Span

_SPAN = re.compile(r"(\S+) \((\S+) to (\S+)\)")

Table = dict[str, dict[str, Span]]
"""{title of a row: {title of a column: mean and interval}}"""


def write_span(estimate: Estimate | None, form: str = ".3f") -> str:
    """The mean, and the interval when people are drawn anew, else when pictures are; "" for nothing.

    >>> write_span(Estimate(0.25, (0.2, 0.3), 8))
    '0.250 (0.200 to 0.300)'
    """
    if estimate is None:
        return ""
    low, high = estimate.by_person or estimate.interval or (estimate.mean, estimate.mean)
    return f"{estimate.mean:{form}} ({low:{form}} to {high:{form}})"


def read_tables(markdown: str) -> list[Table]:
    """The tables of a page that have intervals in them, in their order; cells without one are left out."""
    tables, table, head = [], {}, []
    for line in [*markdown.splitlines(), ""]:
        if not line.startswith("|"):
            tables, table, head = [*tables, table], {}, []
            continue
        title, *cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        if not head:
            head = cells
        elif spans := {name: _read(cell) for name, cell in zip(head, cells, strict=True) if _SPAN.fullmatch(cell)}:
            table[title] = spans
    return [table for table in tables if table]


def _read(cell: str) -> Span:
    mean, low, high = _SPAN.fullmatch(cell).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return Span(float(mean), float(low), float(high))
