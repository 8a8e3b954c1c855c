"""The files of each workflow and blueprint: the API twin, its layout, and what the editor opens."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / "workflows"
BLUEPRINTS = ROOT / "subgraphs"
LAYOUTS = Path(__file__).with_name("layouts")
SOURCES = Path(__file__).with_name("blueprints")
"""Twin and layout of each blueprint."""
NAMES = sorted(path.stem for path in (WORKFLOWS / "api").glob("*.json"))
BLUEPRINT_NAMES = sorted(path.stem for path in SOURCES.glob("*.json"))
FILES = sorted([*WORKFLOWS.glob("*.json"), *BLUEPRINTS.glob("*.json")])
"""Everything that the editor opens."""
FRONTEND_NODES = ("MarkdownNote", "Note")
LINE = 120


def read_workflow(name: str) -> dict:
    """The workflow as the editor opens it."""
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def read_titled_twin(name: str) -> dict:
    """The API twin, with the titles its nodes have in the editor."""
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def read_twin(name: str) -> dict:
    """The API twin without titles."""
    return strip(read_titled_twin(name))


def read_blueprint_twin(name: str) -> dict:
    """The blueprint's nodes between those that load photos and save the picture."""
    return json.loads((SOURCES / f"{name}.json").read_text(encoding="utf-8"))


def strip(graph: dict) -> dict:
    """Only what is computed: no titles, and nothing the server adds."""
    return {id: {"class_type": node["class_type"], "inputs": node["inputs"]} for id, node in graph.items()}


def list_graphs(workflow: dict) -> list[dict]:
    """The editor's workflow and its subgraphs; links of both as lists."""
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    return [workflow, *({**one, "links": [list(link.values()) for link in one["links"]]} for one in subgraphs)]


def list_nodes(workflow: dict) -> dict[str, dict]:
    """Nodes that the server gets to see, by id: without notes, and with those of subgraphs instead of theirs."""
    graphs = list_graphs(workflow)
    left_out = (*FRONTEND_NODES, *(graph["id"] for graph in graphs[1:]))
    return {str(node["id"]): node for graph in graphs for node in graph["nodes"] if node["type"] not in left_out}


def write_json(value, indent: int = 0) -> str:
    """JSON in which everything that fits into a line is on one."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + len(line) <= LINE or not isinstance(value, (dict, list)):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, list):
        parts = [pad + write_json(one, indent + 2) for one in value]
        return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"
    parts = [f"{pad}{json.dumps(key)}: {write_json(one, indent + 2)}" for key, one in value.items()]
    return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"


def write_changed(files: dict[Path, str]) -> list[Path]:
    """Write the texts that differ from what is there; returns their paths."""
    changed = [path for path, text in files.items() if not path.exists() or path.read_bytes() != text.encode()]
    for path in changed:
        path.write_bytes(files[path].encode())
    return changed
