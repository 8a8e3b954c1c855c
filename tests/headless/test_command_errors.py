"""Wrong choices and foreign files end with one message that says what to do."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from consistentid.__main__ import main
from consistentid.adapter.config import SD15
from consistentid.errors import CheckpointError, ConsistentIDError
from consistentid.face.face import Face
from consistentid.face.selection import select_face
from consistentid.headless.pipeline import load_loras, load_pipeline
from consistentid.headless.portrait import choose_device
from consistentid.headless.portrait_settings import FACE_ORDERS, PortraitSettings, read_settings

ABSENT = ["gpu0", "meta", "cuda:99"]


@pytest.mark.parametrize("device", ABSENT)
def test_a_device_that_is_not_there(device):
    with pytest.raises(ConsistentIDError, match=rf"'{device}' cannot be used here \(.+\).*--device"):
        choose_device(PortraitSettings(device=device, dtype="float16"))


def test_a_chosen_precision_is_kept():
    assert choose_device(PortraitSettings(device="cpu")) == ("cpu", "float32")
    assert choose_device(PortraitSettings(device="cpu:0")) == ("cpu:0", "float32")
    assert choose_device(PortraitSettings(device="cpu", dtype="bfloat16")) == ("cpu", "bfloat16")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "-1"], "--seed -1"),
        (["--seed", str(2**63)], "seeds are from 0"),
        (["--seed", str(2**63 - 1), "--batch", "2"], "seeds are from 0"),
        (["--image", "a", "--mask", "b", "--steps", "3", "--strength", "0.3"], "leaves no step to run"),
    ],
)
def test_numbers_that_cannot_be(words, message, capsys):
    assert main(["portrait", "--face", "me.jpg", *words]) == 1
    assert message in capsys.readouterr().err


def test_the_largest_seed_and_a_single_step_are_possible():
    PortraitSettings(face="a", seed=2**63 - 1).check()
    PortraitSettings(face="a", image="b", mask="c", steps=3, strength=0.4).check()


def test_every_order_of_faces_is_known_and_no_other(capsys):
    face, photo = Face(np.array([8, 8, 24, 24]), None, 0.9, None), np.zeros((32, 32, 3), np.uint8)
    assert all(select_face([face], photo, order) is face for order in FACE_ORDERS)
    with pytest.raises(SystemExit):
        main(["portrait", "--face", "a", "--select", "biggest"])
    assert "most central" in capsys.readouterr().err


def write_png(path, **changes):
    record = json.loads(PortraitSettings(face="a").to_json())
    record["settings"] |= changes
    write_record(path, record)


def write_record(path, record):
    info = PngInfo()
    info.add_itxt("consistentid", json.dumps(record))
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": "50"},
        {"steps": 2.5},
        {"steps": True},
        {"offload": 1},
        {"seed": "x"},
        {"lora": "a.safetensors"},
        {"lora": [1]},
        {"prompt": None},
        {"scheduler": "best"},
        {"dtype": "int8"},
        {"base": ["sd15"]},
    ],
    ids=str,
)
def test_a_png_with_settings_of_wrong_types(tmp_path, changes):
    write_png(tmp_path / "x.png", **changes)
    with pytest.raises(ConsistentIDError, match=f"not valid: {next(iter(changes))} is"):
        read_settings(tmp_path / "x.png")


def test_a_png_with_settings_of_right_types(tmp_path):
    changes = {"weight": 1, "seed": 3, "width": None, "guidance": 2.5, "lora": ["a.safetensors=0.5"]}
    write_png(tmp_path / "x.png", **changes)
    assert read_settings(tmp_path / "x.png") == PortraitSettings(face="a", **changes | {"lora": ("a.safetensors=0.5",)})


def test_a_png_of_an_earlier_version(tmp_path):
    """It did not know of eyebrows and hair, pairs and changes."""
    write_png(tmp_path / "x.png")
    record = json.loads(Image.open(tmp_path / "x.png").text["consistentid"])
    for name in ("brows", "hair", "left_out", "pairs", "change", "change_strength", "person"):
        del record["settings"][name]
    write_record(tmp_path / "x.png", record)
    assert read_settings(tmp_path / "x.png") == PortraitSettings(face="a")
    record["settings"]["beard"] = True
    write_record(tmp_path / "x.png", record)
    with pytest.raises(ConsistentIDError, match="made by another version"):
        read_settings(tmp_path / "x.png")


def test_a_png_whose_settings_are_a_list(tmp_path):
    info = PngInfo()
    info.add_itxt("consistentid", '{"format": 1, "settings": []}')
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    with pytest.raises(ConsistentIDError, match="holds no settings"):
        read_settings(tmp_path / "x.png")


@pytest.fixture(scope="module")
def junk(tmp_path_factory):
    """Files that are damaged, and whole ones of something else."""
    folder = tmp_path_factory.mktemp("junk")
    (folder / "damaged.safetensors").write_bytes(bytes(range(256)) * 8)
    save_file({"x": torch.zeros(3)}, folder / "other.safetensors")
    foreign = {"unet.foo.lora_A.weight": torch.zeros(2, 3), "unet.foo.lora_B.weight": torch.zeros(3, 2)}
    save_file(foreign, folder / "foreign.safetensors")
    return folder


def test_files_that_are_no_lora(files, junk):
    pipeline = load_pipeline(files["checkpoint"], SD15)
    for name in ("damaged", "other", "foreign"):
        with pytest.raises(CheckpointError, match=rf"{name}\.safetensors is no LoRA"):
            load_loras(pipeline, [(str(junk / f"{name}.safetensors"), 1.0)])


@pytest.mark.parametrize("name", ["damaged", "other"])
def test_files_that_are_no_checkpoint(files, junk, name):
    with pytest.raises(CheckpointError, match=rf"cannot load .*{name}\.safetensors as a checkpoint of SD1\.5"):
        load_pipeline(junk / f"{name}.safetensors", SD15, base_config=files["checkpoint"])


@pytest.mark.parametrize("option", ["controlnet", "base_config"])
def test_a_missing_folder_is_not_looked_for_on_the_internet(files, monkeypatch, option):
    def refuse(*arguments, **more):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(CheckpointError, match=r"--[a-z-]+ someone/model is not a folder"):
        load_pipeline(files["checkpoint"], SD15, **{option: "someone/model"})
