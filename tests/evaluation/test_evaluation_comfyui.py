"""A ComfyUI as the engine, against a server that speaks its language."""

import copy
import json

import numpy as np
import pytest
from PIL import Image
from stub_comfyui import GRAPH, running_stub

from consistentid.evaluation import comfyui
from consistentid.evaluation.comfyui import ComfyUI
from consistentid.evaluation.engine import DrawingError, EngineError
from consistentid.evaluation.workflow import Places, Workflow, WorkflowError, read_workflow


@pytest.fixture
def stub():
    with running_stub() as stub:
        yield stub


@pytest.fixture
def engine(stub):
    return ComfyUI(stub.address, Workflow(GRAPH, Places()), timeout_s=5, poll_s=0.01)


def test_photo_prompt_and_seed_arrive_and_the_picture_comes_back(stub, engine, photos, astronaut):
    drawing = engine.draw(photos / "ada.png", "a <red> hat", 42)
    (graph,), (upload,) = stub.graphs, stub.uploads
    assert graph["2"]["inputs"] == {"text": "a <red> hat", "clip": ["9", 0]} and graph["4"]["inputs"]["seed"] == 42
    assert graph["1"]["inputs"]["image"] == upload and graph["3"] == GRAPH["3"]
    assert stub.uploads[upload] == (photos / "ada.png").read_bytes()
    pixels = np.asarray(drawing.image)
    assert pixels[0, 0].tolist() == [42, 0, 0] and np.array_equal(pixels[1:], astronaut[1:])
    assert drawing.seconds == 0.25, "by the server's clock, without the queue"
    assert GRAPH["2"]["inputs"]["text"] == "", "the workflow itself is not changed"


def test_photos_of_one_name_are_not_mixed_up(stub, engine, photos, tmp_path):
    other = tmp_path / "ada.png"
    Image.new("RGB", (64, 64), "green").save(other)
    for photo in (photos / "ada.png", other, other):
        engine.draw(photo, "", 1)
    names = [graph["1"]["inputs"]["image"] for graph in stub.graphs]
    assert names[0] != names[1] == names[2] and len(stub.uploads) == 2


def test_a_picture_from_the_cache_has_no_time(stub, engine, photos):
    stub.fault = lambda graph: {"cached": ["1", "5"]}
    assert engine.draw(photos / "ada.png", "", 1).seconds is None


def test_a_picture_during_which_the_clock_was_set_back_has_no_time(stub, engine, photos):
    stub.took_ms = -3_600_000
    assert engine.draw(photos / "ada.png", "", 1).seconds is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_other_credentials(stub, engine, photos, status):
    stub.status = status
    with pytest.raises(EngineError, match=rf"does not let this user in \({status}.*NAME:PASSWORD@HOST"):
        engine.draw(photos / "ada.png", "", 1)


def test_a_picture_that_the_cache_hides_is_drawn_again(stub, engine, photos, monkeypatch):
    monkeypatch.setattr(comfyui, "FREE_S", 0)
    hidden = {"status": {"messages": [["execution_cached", {"nodes": ["5"]}]]}, "outputs": {}}
    stub.fault = lambda graph: None if stub.freed else {"entry": hidden}
    assert engine.draw(photos / "ada.png", "", 1).seconds == 0.25 and len(stub.graphs) == 2


def test_a_refusal_ends_all(stub, engine, photos):
    errors = [{"message": "Value not in list", "details": "ckpt: 'x' not in []"}]
    stub.fault = lambda graph: {
        "refuse": {"error": {"message": "No outputs"}, "node_errors": {"4": {"errors": errors}}}
    }
    with pytest.raises(EngineError, match=r"refused.*\n  No outputs\n  seed \(4\): Value not in list: ckpt: 'x'"):
        engine.draw(photos / "ada.png", "", 1)


def test_a_failing_node_ends_one_picture(stub, engine, photos):
    failure = ["execution_error", {"node_id": "4", "exception_message": "No face was found.\n"}]
    stub.fault = lambda graph: {"entry": {"status": {"messages": [failure]}, "outputs": {}}}
    with pytest.raises(DrawingError, match=r"seed \(4\) failed: No face was found\.$"):
        engine.draw(photos / "ada.png", "", 1)
    stub.fault = lambda graph: {"entry": {"status": {"messages": []}, "outputs": {"3": {"text": ["x"]}}}}
    with pytest.raises(DrawingError, match=r"output \(5\) gave no picture"):
        engine.draw(photos / "ada.png", "", 1)


def test_a_picture_that_takes_too_long_leaves_the_queue(stub, photos):
    stub.fault = lambda graph: {"entry": {}}
    engine = ComfyUI(stub.address, Workflow(GRAPH, Places()), timeout_s=0.1, poll_s=0.02)
    with pytest.raises(EngineError, match=r"after 0\.1 seconds.*--timeout"):
        engine.draw(photos / "ada.png", "", 1)
    assert stub.deleted == ["0"]


def test_a_picture_that_left_the_queue_is_not_waited_for(stub, engine, photos):
    stub.fault, stub.cleared = lambda graph: {"entry": {}}, True
    with pytest.raises(EngineError, match="gone from ComfyUI"):
        engine.draw(photos / "ada.png", "", 1)


def test_no_server(stub, photos):
    workflow = Workflow(GRAPH, Places())
    with pytest.raises(EngineError, match="Is this a running ComfyUI"):
        ComfyUI(f"{stub.address}/elsewhere", workflow).draw(photos / "ada.png", "", 1)
    with pytest.raises(EngineError, match="gave no answer"):
        ComfyUI("http://127.0.0.1:9", workflow).draw(photos / "ada.png", "", 1)


def test_places_by_id_title_and_class():
    graph = copy.deepcopy(GRAPH)
    graph["4"]["_meta"] = {"title": "K.Sampler 1.0"}
    places = Places(("LoadImage.image",), ("2.text", "NEGATIVE.text"), ("K.Sampler 1.0.seed",), "5")
    filled = Workflow(graph, places).fill("p", "t", 8)
    assert [
        filled[id]["inputs"][name] for id, name in (("1", "image"), ("2", "text"), ("3", "text"), ("4", "seed"))
    ] == [
        "p",
        "t",
        "t",
        8,
    ]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (Places(prompt=("TextNode.text",)), r"2 nodes are called 'TextNode'.*--prompt-input.*2 Prompt, 3 negative"),
        (Places(seed=("noise.seed",)), "No node is called 'noise'.*--seed-input"),
        (Places(photo=("photo.file",)), "node photo has no input 'file'; it has image"),
        (Places(prompt=("6",)), "--prompt-input is '6'; write NODE.INPUT"),
        (Places(output="preview"), "No node is called 'preview'.*--output-node"),
    ],
)
def test_places_that_are_not_there(places, message):
    with pytest.raises(WorkflowError, match=message):
        Workflow(GRAPH, places)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"nodes": [], "links": []}), r"the editor's format.*Export \(API\)"),
        ("[1]", "not a ComfyUI workflow"),
        ('{"1": {"inputs": {}}}', "not a ComfyUI workflow.*1 lacks class_type"),
        ('{"1": {"inputs": {}, "class_type": "A", "_meta": []}}', "not a ComfyUI workflow.*1._meta is not an object"),
        ("[" * 200_000, "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_files_that_are_no_workflow(text, message, tmp_path):
    (tmp_path / "w.json").write_text(text)
    with pytest.raises(WorkflowError, match=message):
        read_workflow(tmp_path / "w.json", Places())
