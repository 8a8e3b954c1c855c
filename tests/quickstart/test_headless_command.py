"""The quick start where there is no ComfyUI: it draws with diffusers by itself."""

import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headless_run
import headless_standins
import standins

QUICKSTART = Path(__file__).resolve().parents[2] / "quickstart"
OPTIONS = ["--steps", "2", "--width", "64", "--height", "96", "--seed", "7", "--prompt", "a photo of a woman"]


@pytest.mark.slow
def test_without_comfyui_and_without_a_network_it_falls_back(tmp_path):
    """A home without ComfyUI, and no git to clone one with."""
    environment = os.environ | {"HOME": str(tmp_path / "home"), "USERPROFILE": str(tmp_path / "home"), "PATH": ""}
    for name in ("COMFYUI_PATH", "CONSISTENTID_MODELS"):
        environment.pop(name, None)
    command = [sys.executable, str(QUICKSTART), "portrait", "--out", str(tmp_path / "out"), *OPTIONS]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "git is not installed" in run.stdout and "Going on without ComfyUI" in run.stdout
    portrait, sheet = (
        Path(re.search(rf"{label} +(.+\.png)", run.stdout)[1]) for label in ("Portrait", "Contact sheet")
    )
    assert sorted((tmp_path / "out").iterdir()) == sorted((portrait, sheet))
    picture = Image.open(portrait)
    assert picture.size == (64, 96)
    assert np.asarray(picture).std() > 10, "neither black nor grey: no NaN on the way"
    assert Image.open(sheet).height > 800, "photo, face, regions, five crops and the result: three rows"
    assert run.stdout.count("STAND-IN") == 5 and "noise, not a portrait" in run.stdout
    assert "5 facial tokens" in run.stdout and "with ID embedding" in run.stdout


def test_the_named_engine_is_not_left(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PATH": ""}
    environment.pop("COMFYUI_PATH", None)
    command = [sys.executable, str(QUICKSTART), "portrait", "--engine", "comfyui"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 1 and "git is not installed" in run.stderr


def test_the_vocabulary_is_clips(tmp_path):
    """Words of the fixed sentence are one token each; any other text is spelt, and comes back whole."""
    headless_standins.write_tokenizer(tmp_path / "tokenizer")
    tokenizer = headless_standins._read_tokenizer(tmp_path / "tokenizer")
    ids = tokenizer("The person has one face").input_ids
    assert len(ids) == 5 + 2 and (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    text = "zebra & crème brûlée, 42 %"
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")


def test_what_an_interrupted_run_left_is_no_obstacle(tmp_path, monkeypatch):
    """A part is a folder or a file."""
    monkeypatch.setattr(headless_standins, "HOME", tmp_path / "home")
    monkeypatch.setattr(headless_standins, "write_face_parser", lambda path: path.write_bytes(b"new"))
    monkeypatch.setattr(headless_standins, "write_clip_vision", headless_standins.write_tokenizer)
    folder = headless_standins._open_folder()
    (folder / "face_parsing.pth.part").mkdir()
    (folder / "face_parsing.pth.part" / "rest").touch()
    (folder / "clip_vision.part").touch()
    paths = headless_standins.prepare(["face_parser", "clip_vision"])
    assert paths["face_parser"].read_bytes() == b"new" and (paths["clip_vision"] / "vocab.json").is_file()
    assert set(folder.iterdir()) == set(paths.values())


def test_a_console_without_the_letters_of_a_path(tmp_path):
    home = str(tmp_path / "画像")
    environment = os.environ | {"HOME": home, "USERPROFILE": home, "PATH": "", "PYTHONIOENCODING": "cp1252"}
    environment.pop("COMFYUI_PATH", None)
    command = [sys.executable, str(QUICKSTART), "portrait", "--engine", "comfyui"]
    run = subprocess.run(command, capture_output=True, env=environment)
    assert b"\\u753b" in run.stdout and b"git is not installed" in run.stderr and b"Traceback" not in run.stderr


def test_files_are_the_same_in_each_run(tmp_path):
    for folder in ("a", "b"):
        headless_standins.make_vae().save_pretrained(tmp_path / folder)
    name = "diffusion_pytorch_model.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A models folder with a ConsistentID adapter and a face parser."""
    for name in ("ConsistentID-v1.bin", "face_parsing.pth"):
        (tmp_path / "consistentid").mkdir(exist_ok=True)
        (tmp_path / "consistentid" / name).touch()
    monkeypatch.setenv("CONSISTENTID_MODELS", str(tmp_path))
    return tmp_path


def test_a_real_adapter_needs_a_real_checkpoint(models):
    find = standins.load_core()
    found = headless_run.find_models(find, "sd15", None)
    assert found["checkpoint"] is None and found["adapter"] is None
    (models / "checkpoints").mkdir()
    checkpoint = models / "checkpoints" / "realisticVisionV60B1.safetensors"
    checkpoint.touch()
    found = headless_run.find_models(find, "sd15", None)
    assert found["checkpoint"] == str(checkpoint)
    assert found["adapter"] == models / "consistentid" / "ConsistentID-v1.bin"
    named = headless_run.find_models(find, "sd15", "mine.safetensors")
    assert named["checkpoint"] == "mine.safetensors" and named["clip_vision"] is None


def test_choices_are_those_of_the_workflow_unless_given():
    given = {
        "base": "sd15",
        "photo": "me.jpg",
        "prompt": None,
        "negative": None,
        "seed": 1,
        "width": None,
        "base_config": "base",
    }
    args = Namespace(**given, height=640, steps=None)
    usual = headless_run.choose_settings(dict, args, {"adapter": Path("a.bin")}, small=False)
    assert (usual["width"], usual["height"], usual["steps"]) == (512, 640, 50)
    assert (usual["guidance"], usual["merge_at"], usual["adapter"]) == (5.0, 0.6, "a.bin")
    assert "woman" in usual["prompt"] and usual["base_config"] == "base"
    small = headless_run.choose_settings(dict, args, {}, small=True)
    assert (small["width"], small["height"], small["steps"]) == (256, 640, 8)
