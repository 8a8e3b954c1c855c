"""The layout of a workflow, with what it says in short written out (layouts/README.md)."""

from pathlib import Path

from .files import LAYOUTS, SOURCES
from .node_schemas import Schema
from .page import LOADER, list_keys
from .subgraph import find_free, list_columns

KEY, ID = "loaders", 90
"""How a layout names the node, and its id in the workflow."""
NOTE_WIDTH, NODES_IN_COLUMN = 420, 3


def read_layout(name: str) -> dict:
    """The layout of a workflow; those for SD1.5 and SDXL share one."""
    layout = _read(LAYOUTS / f"{name.rsplit('_', 1)[0]}.yaml")
    return {**layout, "subgraphs": list(map(_write_out, layout.get("subgraphs", [])))}


def read_blueprint(name: str) -> dict:
    """The subgraph that a blueprint is."""
    return _write_out(_read(SOURCES / f"{name}.yaml"))


def fold_loaders(layout: dict, twin: dict, schemas: dict[str, Schema]) -> dict:
    """The layout with a subgraph of all loaders, if it places one. Each has its file on the node."""
    if KEY not in list_keys(layout):
        return layout
    loaders = list_loaders(twin)
    inputs: dict[str, list] = {}
    for id in loaders:
        slots = [name for name, one in schemas[twin[id]["class_type"]].inputs.items() if one.is_widget]
        inputs |= {find_free(slot, inputs): [int(id), slot] for slot in slots[:1]}
    parts = [loaders[start : start + NODES_IN_COLUMN] for start in range(0, len(loaders), NODES_IN_COLUMN)]
    columns = list_columns("Models", [["models"], *([int(id) for id in part] for part in parts)])
    columns[0]["width"] = NOTE_WIDTH
    folded = {"id": ID, "name": "Models", "inputs": inputs, "columns": columns}
    return {**_name(layout), "subgraphs": [folded, *layout.get("subgraphs", [])]}


def _read(path: Path) -> dict:
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _write_out(subgraph: dict) -> dict:
    """The subgraph with columns where it has only nodes."""
    columns = subgraph.get("columns") or list_columns(subgraph["name"], subgraph["nodes"])
    return {key: value for key, value in subgraph.items() if key != "nodes"} | {"columns": columns}


def list_loaders(twin: dict) -> list[str]:
    """Ids of the nodes that load model files and take nothing."""
    links = {id for id, node in twin.items() for value in node["inputs"].values() if isinstance(value, list)}
    return [id for id, node in twin.items() if LOADER.search(node["class_type"]) and id not in links]


def _name(layout: dict) -> dict:
    """The layout with the node's id where it has its key."""
    columns = [
        {
            **column,
            "groups": [
                {**group, "rows": [[ID if key == KEY else key for key in row] for row in group["rows"]]}
                for group in column["groups"]
            ],
        }
        for column in layout["columns"]
    ]
    return {**layout, "columns": columns}
