"""Nodes that show what they found run as the end of a graph too, or alone, when the editor asks for nothing but them.

A ComfyUI whose nodes can have intermediate output starts from output nodes only. So a request that has none, or asks
for such a node alone, gets one behind it: a text preview of its report, which is in no workflow.
"""

from ..boundary.sockets import SHOWS_RESULTS
from .routes import find_server

TARGETS = "partial_execution_targets"
REPORT = "report"


def register(nodes: list[type]) -> None:
    """Watch requests to ComfyUI's server, where one is being started and these nodes are no output nodes."""
    server = find_server()
    schemas = [node.GET_SCHEMA() for node in nodes] if server and "is_output_node" not in SHOWS_RESULTS else []
    slots = {
        schema.node_id: [output.id for output in schema.outputs].index(REPORT)
        for schema in schemas
        if schema.has_intermediate_output
    }
    if server and slots:
        server.add_on_prompt_handler(lambda request: add_previews(request, slots))


def add_previews(request: dict, slots: dict[str, int]) -> dict:
    """The request with a preview behind each node of ours that shall end it. slots: {node id: number of its report}."""
    prompt, targets = request.get("prompt") or {}, request.get(TARGETS) or []
    kinds = {id: node.get("class_type") for id, node in prompt.items()}
    if not targets and any(map(_is_output, kinds.values())):
        return request
    ends = {id: f"{id}.{REPORT}" for id, kind in kinds.items() if kind in slots and (id in targets or not targets)}
    sources = {end: [id, slots[kinds[id]]] for id, end in ends.items()}
    previews = {end: {"class_type": "PreviewAny", "inputs": {"source": source}} for end, source in sources.items()}
    wanted = {TARGETS: [ends.get(target, target) for target in targets]} if targets else {}
    return {**request, "prompt": {**prompt, **previews}, **wanted} if ends else request


def _is_output(kind: str) -> bool:
    from nodes import NODE_CLASS_MAPPINGS  # pyright: ignore[reportAttributeAccessIssue] ComfyUI's nodes.py

    return getattr(NODE_CLASS_MAPPINGS.get(kind), "OUTPUT_NODE", False)
