"""Loading InsightFace packages: what is missing, unsuitable or damaged is said in words."""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

sys.path.append(str(Path(__file__).parent))

from analysis_variants import write_genderage

from consistentid.errors import CheckpointError, ConsistentIDError, IncompatibleModelError, MissingPackageError
from consistentid.face.package import PROVIDERS, load_face_analysis
from consistentid.face.search import detect_faces


@pytest.fixture
def folder(face_package, tmp_path):
    """A package that a test may spoil."""
    return shutil.copytree(face_package, tmp_path / "my package")


@pytest.mark.parametrize("provider", ["auto", "CPU"])
def test_loaded_models(folder, provider, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for path in (folder, str(folder), folder.name):
        analysis = load_face_analysis(path, provider)
        assert set(analysis.models) == {"detection", "recognition"}
    assert [file.name for file in folder.parent.iterdir()] == [folder.name], "nothing is written or downloaded"


def test_other_files_in_the_folder_are_ignored(folder, face_package):
    (folder / "readme.txt").write_text("hello")
    assert set(load_face_analysis(folder, "CPU").models) == {"detection", "recognition"}


def hide(monkeypatch, package):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


def test_missing_package(face_package, monkeypatch):
    hide(monkeypatch, "onnxruntime")
    with pytest.raises(MissingPackageError, match=r"'onnxruntime'.*python -m pip install onnxruntime$"):
        load_face_analysis(face_package)


def test_neither_insightface_nor_opencv_is_needed(face_package, astronaut, monkeypatch):
    for package in ("insightface", "cv2", "onnx", "skimage"):
        hide(monkeypatch, package)
    assert len(detect_faces(load_face_analysis(face_package, "CPU"), astronaut)) == 1


@pytest.mark.parametrize("name", ["a [b] c", "[!a]*", "{x}%s $HOME ;?"])
def test_characters_of_a_pattern_in_the_path(name, face_package, tmp_path, astronaut):
    if sys.platform == "win32":
        name = "a [b] c"
    folder = shutil.copytree(face_package, tmp_path / name / "face [1]")
    assert len(detect_faces(load_face_analysis(folder, "CPU"), astronaut)) == 1


def test_only_what_is_wanted_is_opened(folder, monkeypatch, astronaut):
    """Damaged neighbours of no use, another recogniser whose name comes first, and what a file manager leaves."""
    for name in ("1k3d68.onnx", "2d106det.onnx", "inswapper_128.onnx", "._det_10g.onnx"):
        (folder / name).write_bytes(b"damaged")
    shutil.copy(folder / "w600k_r50.onnx", folder / "arcface_other.onnx")
    (folder / "a folder.onnx").mkdir()
    (folder / "dangling.onnx").symlink_to(folder / "nowhere")
    opened, start = [], onnxruntime.InferenceSession
    monkeypatch.setattr(
        "onnxruntime.InferenceSession", lambda path, **more: opened.append(Path(path).name) or start(path, **more)
    )
    (face,) = detect_faces(load_face_analysis(folder, "CPU"), astronaut)
    assert opened == ["det_10g.onnx", "w600k_r50.onnx"] and face.recogniser == "w600k_r50.onnx"


def test_files_of_other_names_are_found_past_damaged_ones(folder):
    (folder / "det_10g.onnx").rename(folder / "x.onnx")
    (folder / "w600k_r50.onnx").rename(folder / "y.onnx")
    (folder / "1k3d68.onnx").write_bytes(b"damaged")
    assert set(load_face_analysis(folder, "CPU").models) == {"detection", "recognition"}
    (folder / "y.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"No face recogniser.*expected w600k_r50\.onnx\. 1k3d68\.onnx could not"):
        load_face_analysis(folder, "CPU")


def test_damaged_age_model_costs_the_age_alone(folder, caplog):
    (folder / "genderage.onnx").write_bytes(b"damaged")
    assert set(load_face_analysis(folder, "CPU").models) == {"detection", "recognition"}
    assert "genderage.onnx cannot be read" in caplog.text


def test_pip_command_can_be_pasted_into_a_shell():
    message = str(MissingPackageError("transformers>=4.46", "Describing a face"))
    command = message.partition("python -m pip install ")[2]
    assert ">" not in command or command[0] in "'\"", "a bare > would write to a file"


@pytest.mark.parametrize("content", [[], ["readme.txt"], ["buffalo_l/det_10g.onnx"]], ids=str)
def test_folder_without_models(content, tmp_path):
    for name in content:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=rf"No \.onnx models in .*{tmp_path.name}.*buffalo_l"):
        load_face_analysis(tmp_path)


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(CheckpointError, match=r"No \.onnx models in .*nowhere"):
        load_face_analysis(tmp_path / "nowhere")


@pytest.mark.parametrize("recogniser", ["glintr100.onnx", "w600k_mbf.onnx"], ids=["antelopev2", "buffalo_s"])
def test_packages_of_another_embedding_space(recogniser, folder, astronaut):
    """They load, to compare faces with; ConsistentID's ID embedding is not made from them."""
    (folder / "w600k_r50.onnx").rename(folder / recogniser)
    analysis = load_face_analysis(folder, "CPU")
    with pytest.raises(IncompatibleModelError, match=rf"{recogniser}.*another space.*package buffalo_l"):
        detect_faces(analysis, astronaut)
    (face,) = detect_faces(analysis, astronaut, any_recogniser=True)
    assert face.recogniser == recogniser and face.id_embedding.shape == (512,)


def test_package_with_an_age_model(folder):
    write_genderage(folder / "genderage.onnx", female=0.2, male=0.7, age=0.34)
    assert set(load_face_analysis(folder, "CPU").models) == {"detection", "recognition", "genderage"}


@pytest.mark.parametrize("name", ["det_10g.onnx", "w600k_r50.onnx"])
def test_one_model_missing(name, folder):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"expected {name}"):
        load_face_analysis(folder, "CPU")


@pytest.mark.parametrize("name", ["det_10g.onnx", "w600k_r50.onnx"])
@pytest.mark.parametrize("content", ["empty", "half", "page", "zeros"])
def test_damaged_model(name, content, folder):
    whole = (folder / name).read_bytes()
    damaged = {"empty": b"", "half": whole[: len(whole) // 2], "page": b"<html>no</html>", "zeros": bytes(len(whole))}
    (folder / name).write_bytes(damaged[content])
    with pytest.raises(CheckpointError, match=rf"{folder.name}.*{name}"):
        load_face_analysis(folder, "CPU")


def test_provider_that_is_not_installed(face_package):
    import onnxruntime

    for name, provider in PROVIDERS.items():
        if provider not in onnxruntime.get_available_providers():
            with pytest.raises(MissingPackageError, match=rf"provider {name}.*python -m pip install onnxruntime"):
                load_face_analysis(face_package, name)


def test_provider_that_does_not_exist(face_package):
    with pytest.raises(ConsistentIDError, match="TensorFlow"):
        load_face_analysis(face_package, "TensorFlow")


@pytest.mark.parametrize(
    ("available", "chosen"),
    [
        (["CPUExecutionProvider"], ["CPUExecutionProvider"]),
        (
            ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
        ),
        (["AzureExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]),
    ],
    ids=["CPU", "CUDA", "Azure"],
)
def test_automatic_provider_prefers_the_gpu(available, chosen, face_package, monkeypatch):
    seen, start = [], onnxruntime.InferenceSession

    def record(path, providers):
        seen.append(providers)
        return start(path, providers=["CPUExecutionProvider"])

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: available)
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr("onnxruntime.InferenceSession", record)
    load_face_analysis(face_package)
    assert seen == [chosen] * 2


def test_two_runtimes_are_reported(face_package, monkeypatch, caplog):
    from importlib import metadata

    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    load_face_analysis(face_package, "CPU")
    assert "onnxruntime and onnxruntime-gpu" in caplog.text


@pytest.mark.parametrize("shape", [(1, 2000), (2000, 10)])
def test_a_strip_of_a_picture(shape, face_package):
    """Its other side is less than one pixel of the detector's."""
    detector = load_face_analysis(face_package, "CPU").det_model
    boxes, _ = detector.detect(np.zeros((*shape, 3), dtype=np.uint8), input_size=(160, 160))
    assert len(boxes) == 0
