"""Draws `workflows/NAME.json` for the editor from its API twin and its layout: the inverse of what the editor sends."""

import uuid
from graphlib import TopologicalSorter
from pathlib import Path

from .files import (
    BLUEPRINT_NAMES,
    BLUEPRINTS,
    NAMES,
    WORKFLOWS,
    read_blueprint_twin,
    read_titled_twin,
    write_json,
)
from .layout import fold_loaders, read_blueprint, read_layout
from .models_note import describe_models, list_files
from .node_schemas import Schema
from .note import enlarge, measure_note
from .page import (
    ENTER,
    GROWING,
    Room,
    find_view,
    find_widths,
    list_keys,
    measure_above,
    measure_growth,
    measure_node,
    place,
)
from .subgraph import Folded, define_subgraph, fold

COLORS = {"grey": "#777", "blue": "#3f789e", "green": "#5f8f5f", "violet": "#7a6aa8", "orange": "#b06634"}
NOTE_COLOR = {"color": "#432", "bgcolor": "#2e2822"}
VIEW_KEY = "consistentid_view"
"""Where `extra` has the saved view again: js/larger_windows.js sees by it that nobody has moved the workflow."""
OPTIONAL_SHAPE, LIST_SHAPE = 7, 6
INSTANCE_SIZE = (400, 340)


def draw_all(schemas: dict[str, Schema]) -> dict[Path, str]:
    """{path: text} of all workflows and blueprints."""
    workflows = {WORKFLOWS / f"{name}.json": draw_workflow(name, schemas) for name in NAMES}
    drawn = workflows | dict(draw_blueprint(name, schemas) for name in BLUEPRINT_NAMES)
    return {path: write_json(one) + "\n" for path, one in drawn.items()}


def draw_workflow(name: str, schemas: dict[str, Schema]) -> dict:
    """Schema 0.4 of the editor."""
    twin = read_titled_twin(name)
    layout = fold_loaders(read_layout(name), twin, schemas)
    notes, definitions = describe_models(twin) | layout["notes"], []
    for one in layout["subgraphs"]:
        folded = fold(twin, one, schemas, name)
        definitions.append(draw_subgraph(folded, one, notes))
        twin, schemas = folded.outer, folded.schemas
    drawn = draw_page(twin, layout, schemas, notes)
    view = find_view(drawn["groups"])
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"consistentid/workflows/{name}")),
        "revision": 0,
        "last_node_id": max(node["id"] for node in drawn["nodes"]),
        "last_link_id": len(drawn["links"]),
        **drawn,
        **({"definitions": {"subgraphs": definitions}} if definitions else {}),
        "config": {},
        "extra": {"ds": view, VIEW_KEY: view, **draw_app(layout)},
        "version": 0.4,
    }


def draw_subgraph(folded: Folded, layout: dict, notes: dict) -> dict:
    """Definition of a subgraph as a workflow holds it. layout: one of "subgraphs" of a layout."""
    drawn = draw_page(folded.inner, layout, folded.schemas, notes)
    return define_subgraph(folded, drawn, layout["name"])


def draw_blueprint(name: str, schemas: dict[str, Schema]) -> tuple[Path, dict]:
    """A file of `subgraphs/`: a workflow of nothing but the subgraph's node, which the editor offers as a node."""
    twin, layout = read_blueprint_twin(name), read_blueprint(name)
    folded = fold(twin, layout, schemas)
    node = _draw_node(folded.id, folded.outer[folded.id], folded.schemas[folded.kind], (0, 0, *INSTANCE_SIZE), [])
    return BLUEPRINTS / f"{layout['name']}.json", {
        "revision": 0,
        "last_node_id": node["id"],
        "last_link_id": 0,
        "nodes": [node],
        "links": [],
        "groups": [],
        "definitions": {"subgraphs": [draw_subgraph(folded, layout, {})]},
        "config": {},
        "extra": {"BlueprintDescription": layout["description"]},
        "version": 0.4,
    }


def draw_app(layout: dict) -> dict:
    """What newer editors make a form of, offered beside the graph; others keep it and do nothing with it."""
    if "app" not in layout:
        return {}
    inputs = [[str(id), widget] for id, widget in layout["app"]["inputs"]]
    return {"linearData": {"inputs": inputs, "outputs": list(map(str, layout["app"]["outputs"]))}, "linearMode": False}


def draw_page(twin: dict, layout: dict, schemas: dict[str, Schema], notes: dict) -> dict:
    """Nodes, links and groups of one graph; nodes of the twin with an id below 0 only have links.

    notes: those that the layout does not place are left out.
    """
    placed = set(list_keys(layout))
    notes = {key: {**note, "text": enlarge(note["text"])} for key, note in notes.items() if key in placed}
    collapsed = set(layout.get("collapsed", []))
    boxes, groups = place(layout, _measure_rooms(twin, layout, schemas, notes))
    for id in collapsed:  # as high as they get when they are opened
        boxes[id] = (*boxes[id][:3], measure_node(twin[str(id)]["class_type"], schemas[twin[str(id)]["class_type"]]))
    links = _list_links(twin, schemas)
    first = 10 * layout["id"] if "id" in layout else max(map(int, twin)) + 1
    nodes = [_draw_note(first + number, note, boxes[key]) for number, (key, note) in enumerate(notes.items())]
    for id in (id for id in twin if int(id) > 0):
        node = _draw_node(id, twin[id], schemas[twin[id]["class_type"]], boxes[int(id)], links)
        flags = {"collapsed": True} if int(id) in collapsed else {}
        nodes.append({**node, **_choose_title(id, twin, schemas), "flags": flags})
    _number_nodes(nodes, twin)
    return {
        "nodes": nodes,
        "links": links,
        "groups": [_draw_group(number, group, box) for number, (group, box) in enumerate(groups, 1)],
    }


def _measure_rooms(twin: dict, layout: dict, schemas: dict[str, Schema], notes: dict) -> dict:
    """{key of a node or note: Room}"""
    widths = find_widths(layout)
    rooms = {key: Room(measure_note(note["text"], widths[key])) for key, note in notes.items()}
    for id, node in twin.items():
        kind, schema = node["class_type"], schemas[node["class_type"]]
        heights = measure_node(kind, schema), measure_above(kind), measure_growth(kind, schema)
        rooms[int(id)] = Room(*heights, kind in GROWING)
    return rooms | {id: Room(0, below=ENTER) for id in layout.get("collapsed", [])}


def _choose_title(id: str, twin: dict, schemas: dict[str, Schema]) -> dict:
    """A title of its own only where it tells two nodes of a kind apart: all others have theirs in any language."""
    kind = twin[id]["class_type"]
    titles = {key: node.get("_meta", {}).get("title") for key, node in twin.items() if node["class_type"] == kind}
    tells_apart = titles[id] and len(set(titles.values())) > 1
    return {"title": titles[id]} if tells_apart and titles[id] != schemas[kind].title else {}


def _list_slots(schema: Schema) -> list[str]:
    """Inputs as the editor lists them: sockets, then widgets."""
    return sorted(schema.inputs, key=lambda name: schema.inputs[name].is_widget)


def _list_links(twin: dict, schemas: dict[str, Schema]) -> list[list]:
    """[id, source node, output, target node, input, type]"""
    links = []
    for id, node in twin.items():
        for slot, name in enumerate(_list_slots(schemas[node["class_type"]])):
            value = node["inputs"].get(name)
            if isinstance(value, list):
                source, output = value
                kind = schemas[twin[source]["class_type"]].outputs[output][1]
                links.append([len(links) + 1, int(source), output, int(id), slot, kind])
    return links


def _draw_node(id: str, node: dict, schema: Schema, box: tuple, links: list[list]) -> dict:
    inputs, values = _draw_inputs(node, schema, {slot: link for link, _, _, to, slot, _ in links if to == int(id)})
    properties = {"Node name for S&R": node["class_type"]}
    files = list_files(values)
    return {
        "id": int(id),
        "type": node["class_type"],
        "pos": list(box[:2]),
        "size": list(box[2:]),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": inputs,
        "outputs": _draw_outputs(int(id), schema, links),
        "properties": properties | ({"models": files} if files else {}),
        "widgets_values": values,
    }


def _draw_inputs(node: dict, schema: Schema, links: dict[int, int]) -> tuple[list[dict], list]:
    """The slots, and the values of widgets; a widget that gets its value from a link holds its default, or what the
    subgraph's node shows there.

    links: {slot: link}.
    """
    inputs, values = [], []
    for slot, name in enumerate(_list_slots(schema)):
        one = schema.inputs[name]
        drawn = {"name": name, "type": one.kind, "link": links.get(slot)}
        if one.is_widget:
            given = node.get("shown", {}).get(name) if slot in links else node["inputs"].get(name)
            default = one.options.get("default", "" if one.kind == "STRING" else one.first_choice)
            values += [default if given is None else given, *one.hidden_values]
            drawn["widget"] = {"name": name}
        elif one.is_optional:
            drawn["shape"] = OPTIONAL_SHAPE
        inputs.append(drawn)
        if one.options.get("image_upload"):
            inputs.append({"name": "upload", "type": "IMAGEUPLOAD", "link": None, "widget": {"name": "upload"}})
    return inputs, values


def _draw_outputs(id: int, schema: Schema, links: list[list]) -> list[dict]:
    outputs = []
    for number, (name, kind, is_list) in enumerate(schema.outputs):
        out = [link for link, source, output, *_ in links if (source, output) == (id, number)]
        outputs.append({"name": name, "type": kind, **({"shape": LIST_SHAPE} if is_list else {}), "links": out})
    return outputs


def _draw_note(id: int, note: dict, box: tuple) -> dict:
    where = {"id": id, "type": "MarkdownNote", "pos": list(box[:2]), "size": list(box[2:])}
    rest = {"flags": {}, "order": 0, "mode": 0, "inputs": [], "outputs": [], "title": note["title"], "properties": {}}
    return {**where, **rest, "widgets_values": [note["text"]], **NOTE_COLOR}


def _draw_group(number: int, group: dict, box: tuple) -> dict:
    color = COLORS[group.get("color", "grey")]
    drawn = {"id": number, "title": group["title"], "bounding": list(box), "color": color}
    return drawn | {"font_size": 24, "flags": {}}


def _number_nodes(nodes: list[dict], twin: dict) -> None:
    """Set the order of execution, notes first."""
    sources = {
        int(id): {int(value[0]) for value in node["inputs"].values() if isinstance(value, list)}
        for id, node in twin.items()
    }
    graph = {node["id"]: sources.get(node["id"], set()) for node in nodes}
    order = {id: number for number, id in enumerate(TopologicalSorter(graph).static_order())}
    for node in nodes:
        node["order"] = order[node["id"]]
