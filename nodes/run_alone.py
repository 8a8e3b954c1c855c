"""Nodes that show what they found run alone, as output nodes do, when the editor asks for nothing but them.

A ComfyUI whose nodes can have intermediate output starts from output nodes only. So the request gets one behind each
such node: a text preview of its report, which is in no workflow.
"""

from .routes import find_server
from .sockets import SHOWS_RESULTS

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
    if slots:
        server.add_on_prompt_handler(lambda request: add_previews(request, slots))


def add_previews(request: dict, slots: dict[str, int]) -> dict:
    """The request with previews instead of those targets that are no output nodes. slots: {node id: of its report}."""
    prompt, targets = dict(request.get("prompt") or {}), []
    for target in request.get(TARGETS) or ():
        slot = slots.get(prompt.get(target, {}).get("class_type"))
        if slot is not None:
            prompt[f"{target}.{REPORT}"] = {"class_type": "PreviewAny", "inputs": {"source": [target, slot]}}
        targets.append(target if slot is None else f"{target}.{REPORT}")
    return {**request, "prompt": prompt, TARGETS: targets} if targets else request
