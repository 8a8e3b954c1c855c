"""Model files are found under the names and in the folders people keep them, or the error tells all."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from consistentid.errors import CheckpointError, ConsistentIDError
from consistentid.model_files import find
from consistentid.model_files.find import (
    choose_models_folder,
    find_model,
    list_model_folders,
    list_search_folders,
    names_model,
    search_by_hash,
    search_model,
)
from consistentid.model_files.manifest import read_manifest

MODELS = read_manifest()
links = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def search(id: str, folder: Path) -> Path | None:
    return search_model(MODELS[id], list_search_folders(MODELS[id], folder))


@pytest.mark.parametrize(
    ("id", "place"),
    [
        ("adapter_sd15", "consistentid/ConsistentID-v1.bin"),
        ("adapter_sd15", "consistentid/sd15/JackAILab/ConsistentID-v1.bin"),
        ("adapter_sd15", "consistentid/consistentid-V1.BIN"),
        ("adapter_sd15", "consistentid/JackAILab_ConsistentID-v1.bin"),
        ("face_parser", "consistentid/79999_iter.pth"),
        ("face_parser", "facexlib/parsing_bisenet.pth"),
        ("clip_vision", "clip_vision/sdxl/clip-vit-h-14-laion2b-s32b-b79k.safetensors"),
    ],
)
def test_a_file_is_found(tmp_path, id, place):
    path = put(tmp_path / place)
    assert search(id, tmp_path) == path


@pytest.mark.parametrize(
    ("id", "place"),
    [
        ("adapter_sd15", "consistentid/ConsistentID_SDXL-v1.bin"),
        ("adapter_sd15", "consistentid/ConsistentID-v1.bin.partial"),
        ("adapter_sd15", "consistentid/.trash/ConsistentID-v1.bin"),
        ("adapter_sd15", "consistentid/MyConsistentID-v1.bin"),
        ("adapter_sd15", "facexlib/ConsistentID-v1.bin"),
        ("face_parser", "consistentid/small_face_parsing.pth"),
    ],
)
def test_another_file_is_not_taken_for_it(tmp_path, id, place):
    put(tmp_path / place)
    assert search(id, tmp_path) is None


def test_the_first_name_and_the_nearest_place_win(tmp_path):
    put(tmp_path / "consistentid/parsing_bisenet.pth")
    nested = put(tmp_path / "facexlib/weights/face_parsing.pth")
    assert search("face_parser", tmp_path) == nested
    near = put(tmp_path / "facexlib/face_parsing.pth")
    assert search("face_parser", tmp_path) == near


def test_of_two_files_with_a_prefix_none_is_guessed(tmp_path):
    put(tmp_path / "consistentid/a_ConsistentID-v1.bin")
    put(tmp_path / "consistentid/b_ConsistentID-v1.bin")
    assert search("adapter_sd15", tmp_path) is None
    exact = put(tmp_path / "consistentid/old/ConsistentID-v1.bin")
    assert search("adapter_sd15", tmp_path) == exact


@links
def test_links_are_followed_and_circles_end(tmp_path):
    real = put(tmp_path / "elsewhere/hub_ConsistentID-v1.bin")
    (tmp_path / "models/consistentid").mkdir(parents=True)
    (tmp_path / "models/consistentid/linked").symlink_to(real.parent, target_is_directory=True)
    (tmp_path / "elsewhere/circle").symlink_to(tmp_path / "models/consistentid", target_is_directory=True)
    (tmp_path / "models/consistentid/ConsistentID-v1.bin").symlink_to(tmp_path / "gone.bin")
    found = search("adapter_sd15", tmp_path / "models")
    assert found == tmp_path / "models/consistentid/linked/hub_ConsistentID-v1.bin"
    assert found.samefile(real)


def test_a_renamed_file_is_found_by_its_content(tmp_path):
    content = b"the weights" * 100
    adapter = MODELS["adapter_sd15"]
    known = replace(adapter.files[0], size=len(content), sha256=hashlib.sha256(content).hexdigest())
    model = replace(adapter, files=(known,))
    put(tmp_path / "a/same_size.bin", content[::-1])
    renamed = put(tmp_path / "b/renamed.bin", content)
    assert search_model(model, [tmp_path]) is None
    assert search_by_hash(model, [tmp_path]) == renamed


def test_the_error_names_file_folders_source_and_nearest(tmp_path):
    near = put(tmp_path / "consistentid/ConsistentlD-v1.bin")
    with pytest.raises(CheckpointError) as caught:
        find_model(MODELS["adapter_sd15"], list_search_folders(MODELS["adapter_sd15"], tmp_path))
    for part in (
        "'ConsistentID-v1.bin' was not found",
        str(tmp_path / "consistentid"),
        f"Is it {near} under another name?",
        "models get adapter_sd15",
        "https://huggingface.co/JackAILab/ConsistentID/resolve/main/ConsistentID-v1.bin",
        "models/consistentid/ConsistentID-v1.bin",
        "MIT (model card)",
    ):
        assert part in str(caught.value)


def test_nothing_near_is_not_mentioned(tmp_path):
    put(tmp_path / "consistentid/unrelated.safetensors")
    with pytest.raises(CheckpointError) as caught:
        find_model(MODELS["adapter_sd15"], [tmp_path])
    assert "under another name" not in str(caught.value)


def test_folders_of_models_are_listed_by_name_known_ones_first(tmp_path):
    for place in ("models/antelopev2/antelopev2/det.onnx", "models/buffalo_l/det_10g.onnx", "models/inswapper.onnx"):
        put(tmp_path / "insightface" / place)
    put(tmp_path / "insightface/buffalo_m/nested/det.onnx")
    put(tmp_path / "insightface/models/buffalo_s.partial/det.onnx")
    (tmp_path / "insightface/models/empty").mkdir()
    model = MODELS["face_analysis"]
    found = list_model_folders(model, list_search_folders(model, tmp_path))
    assert list(found) == ["buffalo_l", "antelopev2", "nested"]
    assert found["antelopev2"] == tmp_path / "insightface/models/antelopev2/antelopev2"
    assert search("likeness_encoder", tmp_path) == found["antelopev2"]
    assert search("captioner", tmp_path) is None


def test_the_nearest_folder_is_named_too(tmp_path):
    put(tmp_path / "LLM/llava-v1.5-7b/weights.safetensors")
    with pytest.raises(CheckpointError, match=r"Is it .*llava-v1\.5-7b under another name"):
        find_model(MODELS["captioner"], [tmp_path / "LLM"])


def test_a_folder_of_a_repository_needs_weights(tmp_path):
    config = put(tmp_path / "consistentid/dinov2-base/config.json")
    assert search("region_encoder", tmp_path) is None
    with pytest.raises(CheckpointError, match=r"dinov2-base is not complete\. .*models get region_encoder"):
        find_model(MODELS["region_encoder"], [tmp_path / "consistentid"])
    put(config.with_name("model.safetensors"))
    assert search("region_encoder", tmp_path) == config.parent


@pytest.mark.parametrize("name", ["ConsistentID-v1.bin", "CONSISTENTID-V1.bin", "hub-ConsistentID-v1.bin"])
def test_names_of_a_model(name):
    assert names_model(MODELS["adapter_sd15"], name) and not names_model(MODELS["adapter_sdxl"], name)


def test_the_models_folder_is_given_set_or_around_the_pack(tmp_path, monkeypatch):
    comfyui = tmp_path / "ComfyUI"
    (comfyui / "models").mkdir(parents=True)
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setattr(find, "PACK", comfyui / "custom_nodes" / "pack")
    assert choose_models_folder() == comfyui / "models"
    (tmp_path / "set").mkdir()
    monkeypatch.setenv(find.VARIABLE, str(tmp_path / "set"))
    assert choose_models_folder() == tmp_path / "set"
    assert choose_models_folder(comfyui) == comfyui
    with pytest.raises(ConsistentIDError, match="gone does not exist"):
        choose_models_folder(tmp_path / "gone")


def test_without_a_comfyui_the_models_folder_must_be_named(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setattr(find, "PACK", tmp_path / "projects" / "pack")
    with pytest.raises(ConsistentIDError, match=r"--models-folder, or set CONSISTENTID_MODELS"):
        choose_models_folder()
