"""What the pack promises the host: node ids, sockets, folders, and errors before a run."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

SNAPSHOT = Path(__file__).with_name("nodes.json")


def describe(node) -> dict:
    schema = node.GET_SCHEMA()
    return {
        "inputs": {i.id: [i.get_io_type(), bool(i.optional)] for i in schema.inputs},
        "outputs": {o.id: o.io_type for o in schema.outputs},
    }


def test_nodes_are_the_published_ones(host):
    """Shared workflows depend on these ids. A change here must be deliberate: it is a breaking one."""
    assert {node.GET_SCHEMA().node_id: describe(node) for node in host.nodes.NODES} == json.loads(SNAPSHOT.read_text())


def test_every_node_and_input_explains_itself(host):
    for node in host.nodes.NODES:
        schema = node.GET_SCHEMA()
        assert schema.display_name and schema.description and schema.category.startswith("ConsistentID/")
        assert schema.node_id.startswith("ConsistentID_")
        page = Path(host.__file__).parent / "js" / "docs" / f"{schema.node_id}.md"
        assert page.is_file(), f"no help page for {schema.node_id}"


def test_only_what_has_a_default_is_folded_away(host):
    """And only where this ComfyUI can do that; where it cannot, its inputs refuse the word."""
    import inspect

    from comfy_api.latest import io

    options = [one for node in host.nodes.NODES for one in node.GET_SCHEMA().inputs]
    advanced = [one for one in options if one.as_dict().get("advanced")]
    assert bool(advanced) == ("advanced" in inspect.signature(io.Combo.Input).parameters)
    assert all(one.default is not None or one.get_io_type() == "COMBO" for one in advanced)
    assert not {"weight", "lora_weight", "merge_at", "preset", "prompt", "seed"} & {one.id for one in advanced}


def test_extension_registers_all_nodes(host):
    import asyncio

    extension = asyncio.run(host.comfy_entrypoint())
    assert asyncio.run(extension.get_node_list()) == host.nodes.NODES


@pytest.fixture
def models(host, tmp_path, monkeypatch):
    """Model folders of this test only."""
    import folder_paths

    for kind in ("consistentid", "facexlib", "insightface", "LLM"):
        (tmp_path / kind).mkdir()
        suffixes = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / kind)], suffixes))
    folder_paths.filename_list_cache.clear()
    return tmp_path


def test_loaders_list_what_belongs_to_them(host, models):
    for file in ("consistentid/ConsistentID-v1.bin", "consistentid/mine.safetensors", "facexlib/parsing_bisenet.pth"):
        (models / file).write_bytes(b"x")
    folders = host.nodes.server.folders
    assert folders.list_files("adapter_sd15", "adapter_sdxl") == ["ConsistentID-v1.bin", "mine.safetensors"]
    assert folders.list_files("face_parser") == ["parsing_bisenet.pth", "mine.safetensors"]


def test_packages_are_found_in_nested_folders(host, models):
    for folder in ("buffalo_l", "antelopev2/antelopev2"):
        (models / "insightface/models" / folder).mkdir(parents=True)
        (models / "insightface/models" / folder / "det_10g.onnx").write_bytes(b"x")
    (models / "insightface/models/empty").mkdir()
    folders = host.nodes.server.folders
    assert folders.list_folders("face_analysis") == ["buffalo_l", "antelopev2"]
    assert folders.find_folder("antelopev2", "face_analysis").parent.name == "antelopev2"


@pytest.mark.parametrize(
    ("node", "value", "parts"),
    [
        ("LoadAdapter", "ConsistentID-v1.bin", ["consistentid", "huggingface.co/JackAILab"]),
        ("LoadFaceParser", "face_parsing.pth", ["consistentid", "facexlib", "face_parsing.pth"]),
        ("LoadFaceAnalysis", "buffalo_l", ["insightface", "buffalo_l.zip", "non-commercial"]),
        ("LoadCaptioner", "llava-1.5-7b-hf", ["LLM", "llava-hf"]),
    ],
)
def test_missing_files_are_named_before_the_run(host, models, node, value, parts):
    classes = {cls.__name__: cls for cls in host.nodes.NODES}
    message = classes[node].validate_inputs(value)
    assert isinstance(message, str) and value in message
    assert all(part in message for part in parts), message


def test_a_damaged_adapter_names_the_file(host, models):
    (models / "consistentid/ConsistentID-v1.bin").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(host.consistentid.errors.CheckpointError, match=r"ConsistentID-v1\.bin"):
        host.nodes.adapter.LoadAdapter.execute("ConsistentID-v1.bin")


@pytest.mark.parametrize(
    ("module", "call"),
    [("onnxruntime", "face_analysis"), ("transformers", "captioner")],
)
def test_missing_packages_are_named_when_needed(host, models, monkeypatch, module, call):
    import sys

    (models / "insightface/models/buffalo_l").mkdir(parents=True)
    (models / "insightface/models/buffalo_l/det_10g.onnx").write_bytes(b"x")
    (models / "LLM/llava").mkdir(parents=True)
    (models / "LLM/llava/config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, module, None)
    loaders = {
        "face_analysis": lambda: host.nodes.face.LoadFaceAnalysis.execute("buffalo_l", "auto"),
        "captioner": lambda: host.nodes.describe.LoadCaptioner.execute("llava"),
    }
    with pytest.raises(host.consistentid.errors.MissingPackageError, match="python -m pip install"):
        loaders[call]()


def test_linked_file_names_are_checked_later(host, models):
    """The host validates a linked combo with None before the other node has run."""
    classes = {cls.__name__: cls for cls in host.nodes.NODES}
    for name in ("LoadAdapter", "LoadFaceParser", "LoadFaceAnalysis", "LoadCaptioner", "LoadIdentity"):
        assert classes[name].validate_inputs(None) is True
