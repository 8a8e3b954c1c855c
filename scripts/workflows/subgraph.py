"""A part of a workflow folded into one node: what a layout's "subgraph" names."""

import uuid
from dataclasses import dataclass, replace

from .node_schemas import Input, Schema

INPUTS, OUTPUTS = "-10", "-20"
"""Ids under which the editor knows the two borders of a subgraph."""
SLOT, BORDER_WIDTH, BORDER_GAP, BORDER_TOP, INNER_WIDTH = 20, 160, 60, 30, 300


@dataclass(frozen=True)
class Folded:
    """outer: the twin with one node, `id`, for the folded part. inner: the folded part, with a node for each border.

    schemas: with those of these three. kind: type of the outer node, which is the id of the subgraph.
    """

    id: str
    kind: str
    outer: dict
    inner: dict
    schemas: dict[str, Schema]


def fold(twin: dict, layout: dict, schemas: dict[str, Schema], *owner: str) -> Folded:
    """Fold the nodes that the subgraph's layout places.

    layout: "id", "name", "columns", and "inputs" {name: [node, input]} and "outputs" {name: [node, number of its
    output]} for what is offered first and by another name; every other link across the border gets a socket by the name
    it has inside. owner: the workflow's name, where others have a subgraph of that name too.
    """
    kind = make_id(*owner, layout["name"])
    placed = {
        str(key) for column in layout["columns"] for group in column["groups"] for row in group["rows"] for key in row
    }
    inner = {id: {**node, "inputs": dict(node["inputs"]), "shown": {}} for id, node in twin.items() if id in placed}
    inputs, values = _connect_inputs(inner, layout, schemas)
    outputs, ends = _list_outputs(twin, placed, layout, schemas)
    inner[INPUTS] = {"class_type": INPUTS, "inputs": {}}
    inner[OUTPUTS] = {"class_type": OUTPUTS, "inputs": dict(zip([name for name, *_ in outputs], ends, strict=True))}
    borders = {
        kind: Schema(inputs, outputs),
        INPUTS: Schema({}, [(name, one.kind, False) for name, one in inputs.items()]),
        OUTPUTS: Schema({name: Input(kind, {"forceInput": True}, False) for name, kind, _ in outputs}, []),
    }
    id = str(layout["id"])
    instance = {"class_type": kind, "inputs": values}
    outer = {key: _reconnect(node, ends, id) for key, node in twin.items() if key not in placed}
    return Folded(id, kind, {**outer, id: instance}, inner, {**schemas, **borders})


def _connect_inputs(inner: dict, layout: dict, schemas: dict[str, Schema]) -> tuple[dict[str, Input], dict]:
    """The inputs of the folded node and their values; connects the nodes inside to them, in place."""
    inputs, values = {}, {}

    def connect(name: str, id: str, slot: str) -> None:
        node, one = inner[id], schemas[inner[id]["class_type"]].inputs[slot]
        if name not in inputs:
            options = {option: value for option, value in one.options.items() if option != "control_after_generate"}
            inputs[name] = replace(one, options=options)
            values[name] = node["inputs"][slot]
        node["shown"][slot] = node["inputs"][slot]
        node["inputs"][slot] = [INPUTS, name]

    for name, (id, slot) in layout.get("inputs", {}).items():
        connect(name, str(id), slot)
    for id, node in inner.items():
        for slot, value in list(node["inputs"].items()):
            if isinstance(value, list) and value[0] not in (INPUTS, *inner):
                known = next((name for name, one in values.items() if one == value), None)
                connect(known or find_free(slot, inputs), id, slot)
    order = sorted(inputs, key=lambda name: inputs[name].is_widget)  # as the editor lists them
    for node in inner.values():
        node["inputs"] = {
            slot: [INPUTS, order.index(value[1])] if isinstance(value, list) and value[0] == INPUTS else value
            for slot, value in node["inputs"].items()
        }
    return {name: inputs[name] for name in order}, {name: values[name] for name in order}


def _list_outputs(twin: dict, placed: set[str], layout: dict, schemas: dict[str, Schema]) -> tuple[list, list]:
    """The outputs of the folded node as a schema has them, and where each comes from: [node, number]."""
    ends = [[str(id), slot] for id, slot in layout.get("outputs", {}).values()]
    names = list(layout.get("outputs", {}))
    taken = [value for id, node in twin.items() if id not in placed for value in node["inputs"].values()]
    for id in (id for id in twin if id in placed):
        for slot, (name, *_) in enumerate(schemas[twin[id]["class_type"]].outputs):
            if [id, slot] in taken and [id, slot] not in ends:
                ends.append([id, slot])
                names.append(find_free(name, names))
    kinds = [schemas[twin[id]["class_type"]].outputs[slot] for id, slot in ends]
    return [(name, kind, is_list) for name, (_, kind, is_list) in zip(names, kinds, strict=True)], ends


def find_free(name: str, taken) -> str:
    """The name, with a number behind it if it is taken."""
    return next(one for one in (name, *(f"{name}_{number}" for number in range(2, 99))) if one not in taken)


def define_subgraph(folded: Folded, drawn: dict, name: str) -> dict:
    """The definition that goes into a workflow. drawn: nodes, groups and links of the inner graph."""
    right = max(x + width for x, _, width, _ in (group["bounding"] for group in drawn["groups"]))
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    slots = [(slot, type) for slot, type, _ in folded.schemas[INPUTS].outputs]
    ends = [(slot, one.kind) for slot, one in folded.schemas[OUTPUTS].inputs.items()]
    lefts = [[link[0] for link in drawn["links"] if link[1:3] == [int(INPUTS), number]] for number in range(len(slots))]
    rights = [
        [link[0] for link in drawn["links"] if link[3:5] == [int(OUTPUTS), number]] for number in range(len(ends))
    ]
    state = {"lastGroupId": len(drawn["groups"]), "lastNodeId": max(node["id"] for node in drawn["nodes"])}
    return {
        "id": folded.kind,
        "version": 1,
        "state": {**state, "lastLinkId": len(drawn["links"]), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": _draw_border(INPUTS, -BORDER_GAP - BORDER_WIDTH, len(slots)),
        "outputNode": _draw_border(OUTPUTS, right + BORDER_GAP, len(ends)),
        "inputs": _draw_slots(folded.kind, slots, lefts, -BORDER_GAP - SLOT),
        "outputs": _draw_slots(folded.kind, ends, rights, right + BORDER_GAP + SLOT),
        "widgets": [],
        **drawn,
        "links": [dict(zip(names, link, strict=True)) for link in drawn["links"]],
        "extra": {},
    }


def list_columns(name: str, columns: list[list]) -> list[dict]:
    """Columns of a layout, each one group, of which the first has this title. columns: keys from top to bottom."""
    titles = [name, *[" "] * len(columns)]
    groups = [{"title": title, "rows": [[key] for key in keys]} for title, keys in zip(titles, columns, strict=False)]
    return [{"width": INNER_WIDTH, "groups": [group]} for group in groups]


def is_subgraph(type: str) -> bool:
    """Whether a node's type is the id of a subgraph."""
    return len(type) == len(make_id()) and type.count("-") == 4


def make_id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("consistentid/subgraphs", *parts))))


def _reconnect(node: dict, ends: list, id: str) -> dict:
    """The node with links that came out of the folded part from the folded node instead."""
    inputs = {name: [id, ends.index(value)] if value in ends else value for name, value in node["inputs"].items()}
    return {**node, "inputs": inputs}


def _draw_border(id: str, x: int, slots: int) -> dict:
    return {"id": int(id), "bounding": [x, 0, BORDER_WIDTH, BORDER_TOP + SLOT * (slots + 1)]}


def _draw_slots(graph: str, slots: list[tuple[str, str]], links: list[list[int]], x: int) -> list[dict]:
    return [
        {"id": make_id(graph, slot), "name": slot, "type": kind, "linkIds": ids, "pos": [x, BORDER_TOP + SLOT * number]}
        for number, ((slot, kind), ids) in enumerate(zip(slots, links, strict=True))
    ]
