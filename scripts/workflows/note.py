"""Notes: their Markdown in letters that can be read at the scale of a whole workflow, and how high they get."""

import math
import re

ACROSS, DOWN = 36, 36
"""What a note's node has beside its text, in pixels: across, and down."""
LINES = {"## ": (8.2, 18, 12), "### ": (6.5, 14, 11), "|": (5.8, 14, 0), "": (5.8, 14, 0)}
"""How a line of Markdown begins -> width of a letter, height of a line, and the gap below, in pixels."""
TABLE_FRAME = 0.95


def enlarge(text: str) -> str:
    """Steps and paragraphs as headings: the editor's plain text is 10 px high, of which a workflow in view shows six.

    Tables stay as they are.
    """
    return "\n".join(map(_enlarge_line, text.splitlines()))


def _enlarge_line(line: str) -> str:
    if not line or line.startswith(("|", "#")):
        return line
    step = re.match(r"(\d+)\. ", line)
    return f"## {step[1]}  {line[step.end() :]}" if step else f"### {line.removeprefix('- ')}"


def measure_note(text: str, width: int) -> int:
    """Height in pixels of a note, estimated from its Markdown."""
    return round(sum(_measure_line(line, width - ACROSS) for line in text.splitlines())) + DOWN


def _measure_line(line: str, width: int) -> float:
    mark = next(mark for mark in LINES if line.startswith(mark))
    letter, height, gap = LINES[mark]
    plain = re.sub(r"\]\([^)]*\)|[*`\[]", "", line.removeprefix(mark) if mark != "|" else line)
    if mark == "|":
        cells = [cell for cell in plain.split("|") if cell.strip(" -")]
        rows = max((math.ceil(len(cell) * len(cells) * letter / width) for cell in cells), default=0)
        return height * (rows + TABLE_FRAME)
    return height * max(0 if gap == 0 and not plain else 1, math.ceil(len(plain) * letter / width)) + gap
