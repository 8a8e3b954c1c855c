"""Where everything lies: columns from left to right, in each the groups, in each group rows of nodes and notes."""

import re
from dataclasses import dataclass

from .node_schemas import Schema
from .subgraph import is_subgraph

PAD, GROUP_TOP, ROW_GAP, GROUP_GAP, COLUMN_GAP = 12, 64, 40, 14, 14
SLOT, WIDGET, TEXT_BOX, FRAME = 20, 24, 90, 14
ABOVE = 16
"""Above the title of a node is the name of its pack, or the mark of a subgraph."""
WIDGET_MORE, BADGE, ISSUES, ENTER = 4, 24, 32, 32
"""What Nodes 2.0 adds: to each widget, for the pack's name, and for the button below a loader whose file is missing
or below a subgraph."""
LEAST_WIDTH = 225
# The room that some nodes need for what they show; those that show pictures take what is left over, up to MOST.
ROOM = {"LoadImage": 222, "PreviewImage": 222, "SaveImage": 222, "PreviewAny": 110, "MaskPreview": 150}
ROOM |= {"ConsistentID_DetectFace": 148, "ConsistentID_ParseFace": 230, "ConsistentID_InjectTokens": 110}
ROOM |= {"ConsistentID_LoadIdentity": 140}
GROWING = {"LoadImage", "SaveImage", "PreviewImage", "MaskPreview"}
MOST = 80
LOADER = re.compile("Load(?!Image$|Identity|Zoo)")

VIEW = (72, 102, 1296, 687)
"""What is free of bars in the canvas of a window of 1366x768: left, top, right, bottom, on every ComfyUI."""
MINIMAP = (1000, 420)
"""Left and top of the corner of it that the map of the graph covers."""
MOST_SCALE = 1.0

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Room:
    """Pixels: the least height, what is left free above and below, and whether it takes what its column is shorter."""

    height: int
    above: int = 0
    below: int = 0
    grows: bool = False


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
    button = ENTER if is_subgraph(type) else ISSUES if LOADER.search(type) else 0
    return WIDGET_MORE * lines + badge + button


def measure_above(type: str) -> int:
    return ABOVE if type.startswith("ConsistentID_") or is_subgraph(type) else 0


def list_keys(layout: dict) -> list:
    """All that a layout places: ids of nodes, keys of notes."""
    return [key for column in layout["columns"] for group in column["groups"] for row in group["rows"] for key in row]


def find_widths(layout: dict) -> dict:
    """Width in pixels of all nodes and notes by key."""
    return {
        key: (_find_width(column, layout) - PAD * (len(row) - 1)) // len(row)
        for column in layout["columns"]
        for group in column["groups"]
        for row in group["rows"]
        for key in row
    }


def find_view(groups: list[dict]) -> dict:
    """`extra.ds`: all groups in VIEW, at the left and the top of it, as large as they fit."""
    boxes = [group["bounding"] for group in groups]
    scale = find_scale(max(x + width for x, _, width, _ in boxes), max(y + height for _, y, _, height in boxes))
    return {"scale": scale, "offset": [round(side / scale) for side in VIEW[:2]]}


def find_scale(width: int, height: int) -> float:
    """At which a page of this size, in pixels, is as large as VIEW."""
    left, top, right, bottom = VIEW
    return min(MOST_SCALE, int(100 * min((right - left) / width, (bottom - top) / height)) / 100)


def place(layout: dict, rooms: dict) -> tuple[dict, list[tuple[dict, Box]]]:
    """Boxes (x, y, width, height) of all nodes and notes by key, and each group with its box. rooms: {key: Room}"""
    columns, widths = [{**one, "width": _find_width(one, layout)} for one in layout["columns"]], find_widths(layout)
    heights = [_add_heights(column, rooms) for column in columns]
    wide = sum(column["width"] + 2 * PAD + COLUMN_GAP for column in columns) - COLUMN_GAP
    corner = round((MINIMAP[1] - VIEW[1]) / find_scale(wide, max(heights)))
    boxes, groups, x = {}, [], 0
    for column, own in zip(columns, heights, strict=True):
        is_last = column is columns[-1]
        extra = _share(column, (min(corner, max(heights)) if is_last else max(heights)) - own, rooms, is_last)
        y = 0
        for group in column["groups"]:
            top, y = y, y + GROUP_TOP
            for row in group["rows"]:
                y += max(rooms[key].above for key in row)
                height = max(rooms[key].height + rooms[key].below + extra.get(key, 0) for key in row)
                for number, key in enumerate(row):
                    tall = height - rooms[key].below if rooms[key].grows else rooms[key].height
                    boxes[key] = (x + PAD + number * (widths[key] + PAD), y, widths[key], tall)
                y += height + ROW_GAP
            y += PAD - ROW_GAP
            groups.append((group, (x, top, column["width"] + 2 * PAD, y - top)))
            y += GROUP_GAP
        x += column["width"] + 2 * PAD + COLUMN_GAP
    return boxes, groups


def _share(column: dict, spare: int, rooms: dict, is_last: bool) -> dict:
    """{key: pixels} of what the column has to spare, for the rows of it that grow; the last column takes all."""
    rows = [row for group in column["groups"] for row in group["rows"] if all(rooms[key].grows for key in row)]
    each = max(0, spare) // max(1, len(rows))
    return {key: each if is_last else min(each, MOST) for row in rows for key in row}


def _find_width(column: dict, layout: dict) -> int:
    """The column's own, or what its longest row of the narrowest nodes takes; collapsed ones are narrower."""
    collapsed = set(layout.get("collapsed", []))
    rows = [row for group in column["groups"] for row in group["rows"] if not collapsed.intersection(row)]
    return max(column["width"], max(map(len, rows), default=1) * (LEAST_WIDTH + PAD) - PAD)


def _add_heights(column: dict, rooms: dict) -> int:
    """Height of a column whose rows are as low as they can be."""
    rows = [row for group in column["groups"] for row in group["rows"]]
    groups = len(column["groups"])
    inner = sum(_find_whole(row, rooms) + ROW_GAP for row in rows)
    return inner + groups * (GROUP_TOP + PAD - ROW_GAP) + (groups - 1) * GROUP_GAP


def _find_whole(row: list, rooms: dict) -> int:
    return max(rooms[key].above for key in row) + max(rooms[key].height + rooms[key].below for key in row)
