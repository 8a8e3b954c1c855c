"""Nodes that show what they found: they run where something needs them, or alone, and are no more than that."""

import asyncio
import dataclasses
import inspect

import pytest
import torch

pytestmark = pytest.mark.host

SHOWING = ("ConsistentID_DetectFace", "ConsistentID_ParseFace", "ConsistentID_InjectTokens")


def knows(field: str) -> bool:
    from comfy_api.latest import io

    return field in {one.name for one in dataclasses.fields(io.Schema)}


@pytest.fixture
def is_new(host) -> bool:
    """Whether this ComfyUI lets nodes show results without being output nodes."""
    return knows("has_intermediate_output")


class Server:
    """What ComfyUI's execution asks of a server; it keeps what the editor is told."""

    client_id = last_prompt_id = last_node_id = None

    def __init__(self):
        self.shown, self.handlers, self.client_id = {}, [], "editor"

    def send_sync(self, event, data, sid=None):
        assert event != "execution_error", data
        if event == "executed":
            self.shown[data["node"]] = data["output"]

    def add_on_prompt_handler(self, handler):
        self.handlers.append(handler)


class Switch:
    """Lazy: asks for the one input that it gives out."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE",), "choose", "test"

    @classmethod
    def INPUT_TYPES(cls):
        lazy = ("IMAGE", {"lazy": True})
        return {"required": {"wants_face": ("BOOLEAN", {}), "face": lazy, "plain": lazy}}

    def check_lazy_status(self, wants_face, face=None, plain=None):
        name, value = ("face", face) if wants_face else ("plain", plain)
        return [name] if value is None else []

    def choose(self, wants_face, face=None, plain=None):
        return (face if wants_face else plain,)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def send(host, comfyui, server, astronaut, monkeypatch):
    """Takes a request as the server does, and returns what the editor was then shown: {node id: ui data}."""
    import execution
    from comfy_extras import nodes_preview_any

    import nodes

    class Photo:
        RETURN_TYPES, FUNCTION, CATEGORY = ("IMAGE",), "give", "test"
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})

        def give(self):
            return (torch.from_numpy(astronaut)[None].float() / 255,)

    ours = [host.nodes.face.LoadFaceCascade, host.nodes.face.DetectFace]
    known = {"Photo": Photo, "Switch": Switch, "PreviewAny": nodes_preview_any.PreviewAny}
    for name, cls in {**known, **{node.GET_SCHEMA().node_id: node for node in ours}}.items():
        monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, name, cls)
    monkeypatch.setattr(host.nodes.server.run_alone, "find_server", lambda: server)
    host.nodes.server.run_alone.register(host.nodes.NODES)
    takes_arguments = "cache_args" in inspect.signature(execution.PromptExecutor).parameters  # from 0.8 on
    arguments = {"cache_args": {"ram": 0.0, "ram_inactive": 0.0}} if takes_arguments else {}
    executor = execution.PromptExecutor(server, **arguments)

    def run(prompt, **request):
        server.shown.clear()
        request["prompt"] = prompt
        for handler in server.handlers:
            request = handler(request)
        valid = asyncio.run(execution.validate_prompt("run", request["prompt"], request.get(TARGETS)))
        assert valid[0], valid
        executor.execute(request["prompt"], "run", {"client_id": "editor"}, valid[2])
        assert executor.success, executor.status_messages
        return dict(server.shown)

    TARGETS = host.nodes.server.run_alone.TARGETS
    return run


def make_prompt(wants_face: bool) -> dict:
    settings = {"select": "largest", "index": 0, "threshold": 0.5, "on_no_face": "error", "channel_order": "BGR"}
    links = {"face_analysis": ["cascade", 0], "image": ["photo", 0]}
    return {
        "photo": {"class_type": "Photo", "inputs": {}},
        "cascade": {"class_type": "ConsistentID_LoadFaceCascade", "inputs": {}},
        "detect": {"class_type": "ConsistentID_DetectFace", "inputs": {**settings, **links}},
        "switch": {
            "class_type": "Switch",
            "inputs": {"wants_face": wants_face, "face": ["detect", 5], "plain": ["photo", 0]},
        },
        "end": {"class_type": "PreviewAny", "inputs": {"source": ["switch", 0]}},
    }


@pytest.mark.parametrize("name", SHOWING)
def test_they_are_output_nodes_only_where_nothing_else_shows_results(host, is_new, name):
    (node,) = [node for node in host.nodes.NODES if node.GET_SCHEMA().node_id == name]
    assert (node.OUTPUT_NODE, getattr(node, "HAS_INTERMEDIATE_OUTPUT", False)) == (not is_new, is_new)


def test_a_branch_that_a_lazy_switch_leaves_out_does_not_run(send, is_new):
    assert ("detect" in send(make_prompt(wants_face=False))) == (not is_new)


def test_a_branch_that_is_taken_shows_its_faces(send):
    shown = send(make_prompt(wants_face=True))
    assert len(shown["detect"]["consistentid_faces"][0]["faces"]) == 1 and "end" in shown


def test_they_run_alone_and_show_a_cached_result_again(send):
    for _ in range(2):
        shown = send(make_prompt(wants_face=False), partial_execution_targets=["detect"])
        assert len(shown["detect"]["consistentid_faces"][0]["faces"]) == 1 and "end" not in shown


def test_a_graph_may_end_with_them(send):
    prompt = make_prompt(wants_face=True)
    del prompt["switch"], prompt["end"]
    assert len(send(prompt)["detect"]["consistentid_faces"][0]["faces"]) == 1


def test_other_requests_reach_the_server_as_they_were(send, server, is_new):
    assert len(server.handlers) == is_new
    prompt = make_prompt(wants_face=True)
    requests = [{"prompt": prompt}, {"prompt": prompt, "partial_execution_targets": ["end", "gone"]}, {"number": 1}]
    for request in requests if is_new else ():
        assert server.handlers[0](request) == request
