"""Folders of describing models that are incomplete, damaged or hostile."""

import json
import shutil
import sys

import pytest

from consistentid.caption.describe import load_captioner
from consistentid.errors import CheckpointError, MissingPackageError

once = pytest.mark.parametrize("llava_folder", [None], indirect=True, ids=["plain"])


def test_missing_config(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match=rf"{folder.name}.*config\.json is missing"):
            load_captioner(folder)


def test_missing_transformers(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPackageError, match=r"python -m pip install .*transformers"):
        load_captioner(tmp_path)


@pytest.fixture
def spoiled(llava_folder, tmp_path):
    """A folder that a test may damage."""
    return shutil.copytree(llava_folder, tmp_path / "spoiled model")


def drop(name):
    return lambda folder: (folder / name).unlink()


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def halve(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def misshape(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 48
    (folder / "config.json").write_text(json.dumps(config))


def drop_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop(next(key for key in tensors if "multi_modal_projector" in key))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


DAMAGES = {
    "tensor missing": drop_a_tensor,
    "no weights": drop("model.safetensors"),
    "truncated weights": halve,
    "web page as weights": write("model.safetensors", b"<html>"),
    "other shapes": misshape,
    "no tokenizer": drop("tokenizer.json"),
    "no image processor": drop("processor_config.json"),
    "config is no json": write("config.json", b"<html>"),
    "config of nothing": write("config.json", b"{}"),
    "config of another kind": write("config.json", b'{"model_type": "bert"}'),
}


@once
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_folder(damage, spoiled):
    damage(spoiled)
    with pytest.raises(CheckpointError, match="spoiled model"):
        load_captioner(spoiled)


@once
@pytest.mark.parametrize("part", ["AutoConfig", "AutoModelForImageTextToText", "AutoProcessor"])
def test_code_in_the_folder_is_not_run(part, spoiled, monkeypatch):
    """transformers asks on the console before it runs a model's own code: the answer must not matter."""
    trap = spoiled / "trap"
    (spoiled / "own.py").write_text(f"from pathlib import Path\nPath({str(trap)!r}).touch()\nclass Own: pass\n")
    for name in ("config.json", "processor_config.json"):
        content = json.loads((spoiled / name).read_text()) | {"auto_map": {part: "own.Own"}, "model_type": "own"}
        (spoiled / name).write_text(json.dumps(content))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(CheckpointError, match="spoiled model"):
        load_captioner(spoiled)
    assert not trap.exists()
