"""Tables in CSV files, as people and their programs write them."""

import csv
import io
from pathlib import Path

from .errors import ConsistentIDError

Lines = list[tuple[int, dict[str, str]]]


def read_table(text: str, path: Path, kind: type[ConsistentIDError] = ConsistentIDError) -> tuple[list[str], Lines]:
    """The names of the columns, and each row as (its line, {column: text}), columns in lower case.

    With commas, semicolons or tabs, whichever the first line has most of. kind: of the error where a row has more cells
    than there are columns, or the text is no table. path: is named by it.
    """
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    table = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    lines: Lines = []
    try:
        names = [(name or "").strip() for name in table.fieldnames or ()]
        for row in table:
            if None in row:
                raise kind(
                    f"{path}, line {table.line_num}: more cells than columns. Put texts with {delimiter!r} in quotes."
                )
            cells = {name.strip().lower(): (text or "").strip() for name, text in row.items() if name}
            lines.append((table.line_num, cells))
    except csv.Error as error:
        raise kind(f"{path}, line {table.line_num}: no row of a table ({error}).") from error
    return names, lines
