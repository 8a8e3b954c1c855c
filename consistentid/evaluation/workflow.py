"""A ComfyUI workflow with places for photo, prompt and seed, of whatever nodes."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from ..checked import check, describe, parse_json
from ..errors import ConsistentIDError


class WorkflowError(ConsistentIDError):
    """A workflow that cannot be read, or a place that is not in it."""


@dataclass(frozen=True)
class Places:
    """Where things go, as "NODE.INPUT", and the output node, as "NODE"; a NODE is an id, a title or a class."""

    photo: tuple[str, ...] = ("photo.image",)
    prompt: tuple[str, ...] = ("prompt.text",)
    seed: tuple[str, ...] = ("seed.seed",)
    output: str = "output"


class _Meta(BaseModel):
    title: str = ""


class _Node(BaseModel):
    class_type: str
    inputs: dict[str, Any]
    meta: _Meta = Field(_Meta(), alias="_meta")


class Workflow:
    """graph: API format. Raises WorkflowError when a place is not there."""

    def __init__(self, graph: dict, places: Places):
        self.graph = graph
        self.output = find_node(graph, places.output, "--output-node")
        self._inputs = {
            name: [find_input(graph, place, f"--{name}-input") for place in getattr(places, name)]
            for name in ("photo", "prompt", "seed")
        }

    def fill(self, photo: str, prompt: str, seed: int) -> dict:
        """A copy of the graph with these values."""
        graph = deepcopy(self.graph)
        for name, value in {"photo": photo, "prompt": prompt, "seed": seed}.items():
            for node, input_name in self._inputs[name]:
                graph[node]["inputs"][input_name] = value
        return graph

    def describe(self) -> dict:
        """What determines the pictures: the graph without titles, and where values go."""
        nodes = {id: {key: node[key] for key in ("class_type", "inputs")} for id, node in self.graph.items()}
        return {"nodes": nodes, "inputs": {name: [*map(list, found)] for name, found in self._inputs.items()}} | {
            "output": self.output
        }

    def name_node(self, id) -> str:
        node = self.graph.get(str(id), {})
        return f"{node.get('_meta', {}).get('title') or node.get('class_type', 'node')} ({id})"


def read_workflow(path: str | Path, places: Places) -> Workflow:
    """A workflow file in API format."""
    try:
        graph = parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkflowError(f"The workflow {path} cannot be read ({error}).") from error
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise WorkflowError(f"{path} is the editor's format. Save it with Workflow > Export (API).")
    try:
        check(dict[str, _Node], graph)
    except ValidationError as error:
        raise WorkflowError(
            f"{path} is not a ComfyUI workflow in API format: {describe(error)}. Save one with Workflow > Export (API)."
        ) from error
    return Workflow(graph, places)


def find_node(graph: dict, name: str, option: str) -> str:
    """The id of a node by its id, title or class; WorkflowError when there is none, or several."""
    if name in graph:
        return name
    titled = [id for id, node in graph.items() if node.get("_meta", {}).get("title", "").lower() == name.lower()]
    found = titled or [id for id, node in graph.items() if node["class_type"] == name]
    if len(found) == 1:
        return found[0]
    nodes = ", ".join(f"{id} {node.get('_meta', {}).get('title') or node['class_type']}" for id, node in graph.items())
    what = f"{len(found)} nodes are" if found else "No node is"
    raise WorkflowError(f"{what} called '{name}'. Name one by its id with {option}; the workflow has: {nodes}.")


def find_input(graph: dict, place: str, option: str) -> tuple[str, str]:
    """(id, input name) of "NODE.INPUT"."""
    name, dot, input_name = place.rpartition(".")
    if not dot:
        raise WorkflowError(f"{option} is '{place}'; write NODE.INPUT, such as 6.text.")
    node = find_node(graph, name, option)
    inputs = graph[node]["inputs"]
    if input_name not in inputs:
        raise WorkflowError(f"{option}: node {name} has no input '{input_name}'; it has {', '.join(inputs) or 'none'}.")
    return node, input_name
