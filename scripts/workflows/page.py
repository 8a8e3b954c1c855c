"""Where everything lies: columns from left to right, in each the groups, in each group rows of nodes and notes."""

import math
import re

from .node_schemas import Schema

PAD, GROUP_TOP, ROW_GAP, GROUP_GAP, COLUMN_GAP = 20, 84, 60, 20, 20
SLOT, WIDGET, TEXT_BOX, FRAME = 20, 24, 110, 14
WIDGET_MORE, BADGE, ISSUES = 4, 24, 32
"""What Nodes 2.0 adds: to each widget, for the pack's name, and for a button below a loader whose file is missing."""
LEAST_WIDTH = 225
NOTE_LINE, NOTE_LETTER, TABLE_FRAME = 14, 5.8, 0.95
# The room that some nodes need for what they show; those that show pictures take what is left over.
ROOM = {"LoadImage": 260, "PreviewImage": 210, "SaveImage": 420, "PreviewAny": 190, "MaskPreview": 210}
ROOM |= {"ConsistentID_DetectFace": 250, "ConsistentID_ParseFace": 300, "ConsistentID_InjectTokens": 150}
ROOM |= {"ConsistentID_LoadIdentity": 256}
GROWING = {"LoadImage", "SaveImage", "PreviewImage", "MaskPreview"}
LOADER = re.compile("Load(?!Image|Identity|Zoo)")

Box = tuple[int, int, int, int]


def measure_node(type: str, schema: Schema) -> int:
    """Height in pixels that the editor gives a node, without its title, plus the room for what it shows."""
    widgets = [one for one in schema.inputs.values() if one.is_widget]
    boxes = sum(bool(one.options.get("multiline")) for one in widgets)
    lines = len(widgets) - boxes + sum(len(one.hidden_values) for one in widgets)
    slots = max(len(schema.inputs) - len(widgets), len(schema.outputs))
    return SLOT * slots + WIDGET * lines + TEXT_BOX * boxes + FRAME + ROOM.get(type, 0)


def measure_growth(type: str, schema: Schema) -> int:
    """By how many pixels Nodes 2.0 makes a node higher than that."""
    lines = sum(one.is_widget and not one.options.get("multiline") for one in schema.inputs.values())
    badge = BADGE if type.startswith("ConsistentID_") else 0
    return WIDGET_MORE * lines + badge + (ISSUES if LOADER.search(type) else 0)


def measure_note(text: str, width: int) -> int:
    """Height in pixels of a note, estimated from its Markdown."""
    letters = (width - 40) / NOTE_LETTER
    return round(NOTE_LINE * sum(_count_lines(line, letters) for line in text.splitlines())) + 40


def _count_lines(line: str, letters: float) -> float:
    """Lines on the screen of one line of Markdown, at so many letters a line; rows of a table have a frame."""
    plain = re.sub(r"\]\([^)]*\)|[*`\[]", "", line)
    if not line.startswith("|"):
        return max(1, math.ceil(len(plain) / letters))
    cells = [cell for cell in plain.split("|") if cell.strip(" -")]
    return TABLE_FRAME + max((math.ceil(len(cell) * len(cells) / letters) for cell in cells), default=0)


def find_widths(layout: dict) -> dict:
    """Width in pixels of all nodes and notes by key."""
    return {
        key: (_find_width(column) - PAD * (len(row) - 1)) // len(row)
        for column in layout["columns"]
        for group in column["groups"]
        for row in group["rows"]
        for key in row
    }


def place(layout: dict, heights: dict, growth: dict, growing: set) -> tuple[dict, list[tuple[dict, Box]]]:
    """Boxes (x, y, width, height) of all nodes and notes by key, and each group with its box.

    heights: least height by key. growth: room to leave below, by key. growing: keys that share what a column is
    shorter than the longest.
    """
    columns, widths = layout["columns"], find_widths(layout)
    rooms = {key: height + growth.get(key, 0) for key, height in heights.items()}
    tallest = max(_add_heights(column, rooms) for column in columns)
    boxes, groups, x = {}, [], 0
    for column in columns:
        rows = [row for group in column["groups"] for row in group["rows"] if set(row) <= growing]
        spare = tallest - _add_heights(column, rooms)
        extra = {key: spare // len(rows) for row in rows for key in row}
        y = 0
        for group in column["groups"]:
            top, y = y, y + GROUP_TOP
            for row in group["rows"]:
                height = max(rooms[key] + extra.get(key, 0) for key in row)
                for number, key in enumerate(row):
                    tall = height - growth.get(key, 0) if key in growing else heights[key]
                    boxes[key] = (x + PAD + number * (widths[key] + PAD), y, widths[key], tall)
                y += height + ROW_GAP
            y += PAD - ROW_GAP
            groups.append((group, (x, top, _find_width(column) + 2 * PAD, y - top)))
            y += GROUP_GAP
        x += _find_width(column) + 2 * PAD + COLUMN_GAP
    return boxes, groups


def _find_width(column: dict) -> int:
    """The column's own, or what its longest row of the narrowest nodes takes."""
    longest = max(len(row) for group in column["groups"] for row in group["rows"])
    return max(column["width"], longest * (LEAST_WIDTH + PAD) - PAD)


def _add_heights(column: dict, heights: dict) -> int:
    """Height of a column whose rows are as low as they can be."""
    rows = [row for group in column["groups"] for row in group["rows"]]
    groups = len(column["groups"])
    inner = sum(max(heights[key] for key in row) + ROW_GAP for row in rows)
    return inner + groups * (GROUP_TOP + PAD - ROW_GAP) + (groups - 1) * GROUP_GAP
