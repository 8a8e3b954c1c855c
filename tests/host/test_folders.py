"""Loaders offer and find the files of ComfyUI's own folders, extra_model_paths.yaml included."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.host


@pytest.fixture
def folders(host, tmp_path, monkeypatch):
    """The folders tmp_path/models and, as extra_model_paths.yaml would add it, tmp_path/extra."""
    import folder_paths

    for kind in ("consistentid", "facexlib", "insightface", "LLM", "clip_vision"):
        places = [str(tmp_path / root / kind) for root in ("models", "extra")]
        for place in places:
            Path(place).mkdir(parents=True)
        suffixes = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, (places, suffixes))
    folder_paths.filename_list_cache.clear()
    yield host.nodes.server.folders
    folder_paths.filename_list_cache.clear()


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_known_files_come_first_and_those_of_others_not_at_all(folders, tmp_path):
    for name in (
        "consistentid/a.safetensors",
        "consistentid/sd15/hub_ConsistentID-v1.bin",
        "consistentid/face_parsing.pth",
        "consistentid/face2diffusion/mapping.pt",
        "consistentid/dinov2-base/model.safetensors",
        "consistentid/identities/anna.safetensors",
        "consistentid/ConsistentID-v1.bin.partial",
        "consistentid/other-model.partial/model.safetensors",
        "consistentid/other-model.partial/ConsistentID-v1.bin",
        "facexlib/detection.pth",
    ):
        put(tmp_path / "models" / name)
    put(tmp_path / "extra/consistentid/ConsistentID_SDXL-v1.bin")
    known = {"ConsistentID_SDXL-v1.bin", str(Path("sd15/hub_ConsistentID-v1.bin"))}
    offered = folders.list_files("adapter_sd15", "adapter_sdxl")
    assert set(offered[:2]) == known and offered[2:] == ["a.safetensors"]
    assert folders.list_files("face_parser") == ["face_parsing.pth", "a.safetensors", "detection.pth"]


def test_a_file_is_found_where_extra_model_paths_point(folders, tmp_path):
    path = put(tmp_path / "extra/consistentid/sd15/ConsistentID-v1.bin")
    assert Path(folders.find_file(str(Path("sd15/ConsistentID-v1.bin")), "adapter_sd15")) == path


@pytest.mark.parametrize("place", ["models/facexlib/parsing_bisenet.pth", "extra/consistentid/old/79999_iter.pth"])
def test_a_workflow_finds_the_same_model_under_another_name(folders, tmp_path, place):
    path = put(tmp_path / place)
    assert Path(folders.find_file("face_parsing.pth", "face_parser")) == path
    assert folders.check(folders.find_file, "face_parsing.pth", "face_parser") is True


def test_the_advice_is_that_of_the_named_model(folders, tmp_path):
    message = folders.check(folders.find_file, "ConsistentID_SDXL-v1.bin", "adapter_sd15")
    assert "models get adapter_sdxl" in message
    assert str(tmp_path / "models/consistentid") in message and str(tmp_path / "extra/consistentid") in message


def test_a_name_nobody_knows_is_not_replaced(folders, tmp_path):
    put(tmp_path / "models/consistentid/ConsistentID-v1.bin")
    message = folders.check(folders.find_file, "ConsistentID-v1_old.bin", "adapter_sd15")
    assert "'ConsistentID-v1_old.bin' was not found" in message
    assert f"Is it {tmp_path / 'models/consistentid/ConsistentID-v1.bin'} under another name?" in message


def test_folders_of_models_are_found_in_all_places(folders, tmp_path):
    put(tmp_path / "extra/insightface/models/buffalo_l/det_10g.onnx")
    put(tmp_path / "models/insightface/models/antelopev2/antelopev2/scrfd.onnx")
    assert folders.list_folders("face_analysis") == ["buffalo_l", "antelopev2"]
    assert folders.find_folder("buffalo_l", "face_analysis") == tmp_path / "extra/insightface/models/buffalo_l"
    put(tmp_path / "models/insightface/models/dlib/dlib_face_recognition_resnet_model_v1.dat")
    assert folders.list_folders("face_analysis", "likeness_dlib") == ["buffalo_l", "antelopev2", "dlib"]
    assert folders.find_folder("dlib", "face_analysis", "likeness_dlib").name == "dlib"
    (tmp_path / "models/insightface/models/dlib/dlib_face_recognition_resnet_model_v1.dat").unlink()
    message = folders.check(folders.find_folder, "dlib", "face_analysis", "likeness_dlib")
    assert "face-recognition-models" in message and "models/insightface/models/dlib/" in message
    put(tmp_path / "extra/LLM/llava-1.5-7b-hf/config.json")
    assert folders.list_folders("captioner") == ["llava-1.5-7b-hf"]


def test_registering_keeps_the_folders_of_the_user(folders, tmp_path):
    import folder_paths

    folders.register()
    paths = folder_paths.get_folder_paths("consistentid")
    assert paths[:2] == [str(tmp_path / root / "consistentid") for root in ("models", "extra")]
    assert paths[2:] == [str(Path(folder_paths.models_dir) / "consistentid")]


def test_a_name_saved_on_windows_is_found(host, folders, tmp_path, monkeypatch):
    import folder_paths

    place = ([str(tmp_path / "models/consistentid/identities")], {".safetensors"})
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "consistentid_identities", place)
    put(tmp_path / "models/consistentid/sub/mine.safetensors")
    put(tmp_path / "models/consistentid/identities/family/anna.safetensors")
    for name in ("sub/mine.safetensors", "sub\\mine.safetensors"):
        assert folders.find_file(name, "adapter_sd15").endswith("mine.safetensors")
    for name in ("family/anna.safetensors", "family\\anna.safetensors"):
        assert host.nodes.identity.LoadIdentity.validate_inputs(name) is True
        assert host.nodes.identity.LoadIdentity.fingerprint_inputs(name)
    assert "not found" in host.nodes.identity.LoadIdentity.validate_inputs("family\\nobody.safetensors")
    put(tmp_path / "models/insightface/models/buffalo_l/det_10g.onnx")
    assert folders.find_folder("old\\buffalo_l", "face_analysis").name == "buffalo_l"
