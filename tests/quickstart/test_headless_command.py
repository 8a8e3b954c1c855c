"""The quick start where there is no ComfyUI: it draws with the headless engine by itself."""

import json
import os
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headless_standins
from consistentid.model_files import command as models_command
from quickstart import headless_run
from quickstart.drawn_person import draw_person, explain_small_models
from quickstart.failure import Failure
from quickstart.run_results import plan_run

QUICKSTART = Path(__file__).resolve().parents[2] / "quickstart"
NO_CHOICE = {"base": "sd15", "base_config": None, "photo": None, "negative": None}


@pytest.mark.slow
def test_without_comfyui_models_and_network_it_draws_a_person_three_times(tmp_path):
    """A home without ComfyUI, and no git to clone one with."""
    environment = os.environ | {"HOME": str(tmp_path / "home"), "USERPROFILE": str(tmp_path / "home"), "PATH": ""}
    for name in ("COMFYUI_PATH", "CONSISTENTID_MODELS"):
        environment.pop(name, None)
    command = [sys.executable, str(QUICKSTART), "portrait", "--out", str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "git is not installed" in run.stdout and "Going on without ComfyUI" in run.stdout
    assert run.stdout.count("missing; ") == 5 and "a drawn person, in three pictures" in run.stdout
    portraits = [Path(path) for path in re.findall(r"Portrait +(.+\.png)", run.stdout)]
    (sheet,) = re.findall(r"Contact sheet +(.+\.png)", run.stdout)
    (person,) = re.findall(r"Person +(.+\.png)", run.stdout)
    assert sorted((tmp_path / "out").iterdir()) == sorted([*portraits, Path(sheet), Path(person)])
    assert len(portraits) == 3 and read_settings_of(portraits[2])["face"] == person, "a run that can be repeated"
    pictures = [np.asarray(Image.open(path)) for path in portraits]
    assert all(picture.shape == (128, 128, 3) and picture.std() > 10 for picture in pictures)
    assert "4 facial tokens: face, eyes, nose, mouth." in run.stdout, "her hair hides the ears"
    assert "with ID embedding" in run.stdout


def test_the_named_engine_is_not_left(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PATH": ""}
    environment.pop("COMFYUI_PATH", None)
    command = [sys.executable, str(QUICKSTART), "portrait", "--engine", "comfyui"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 1 and "git is not installed" in run.stderr


def test_a_console_without_the_letters_of_a_path(tmp_path):
    home = str(tmp_path / "画像")
    environment = os.environ | {"HOME": home, "USERPROFILE": home, "PATH": "", "PYTHONIOENCODING": "cp1252"}
    environment.pop("COMFYUI_PATH", None)
    command = [sys.executable, str(QUICKSTART), "portrait", "--engine", "comfyui"]
    run = subprocess.run(command, capture_output=True, env=environment)
    assert b"\\u753b" in run.stdout and b"git is not installed" in run.stderr and b"Traceback" not in run.stderr


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A models folder with a ConsistentID adapter and a face parser."""
    for name in ("ConsistentID-v1.bin", "face_parsing.pth"):
        (tmp_path / "consistentid").mkdir(exist_ok=True)
        (tmp_path / "consistentid" / name).touch()
    monkeypatch.setenv("CONSISTENTID_MODELS", str(tmp_path))
    return tmp_path


def test_models_of_a_folder_are_found_and_others_are_missing(models):
    found = headless_run.find_models("sd15", None)
    assert found["adapter"] == models / "consistentid" / "ConsistentID-v1.bin"
    assert found["checkpoint"] is None and found["clip_vision"] is None
    (models / "checkpoints").mkdir()
    checkpoint = models / "checkpoints" / "realisticVisionV60B1.safetensors"
    checkpoint.touch()
    assert headless_run.find_models("sd15", None)["checkpoint"] == str(checkpoint)
    assert headless_run.find_models("sd15", "mine.safetensors")["checkpoint"] == "mine.safetensors"


@pytest.mark.slow
def test_with_the_large_models_it_draws_from_a_photo(tmp_path, capsys):
    """Files in their formats, with random weights."""
    found = headless_standins.prepare(["checkpoint", "adapter", "clip_vision", "face_parser", "face_package"])
    args = Namespace(**NO_CHOICE | {"prompt": "a photo of a woman", "steps": 2, "width": 64, "height": 96, "seed": 3})
    stages, ((title, path),) = headless_run._draw_photo(args, found, tmp_path)
    assert title == "Portrait" and stages[0][0] == "Photo" and "NASA" in capsys.readouterr().out
    record = read_settings_of(path)
    assert (record["prompt"], record["steps"], record["seed"], record["guidance"]) == ("a photo of a woman", 2, 3, 5.0)
    assert record["merge_at"] == 0.6 and "lowres" in record["negative"]
    assert Image.open(path).size == (64, 96) and np.asarray(Image.open(path)).std() > 10


def read_settings_of(path):
    return json.loads(Image.open(path).text["consistentid"])["settings"]


def test_a_models_folder_that_is_not_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("CONSISTENTID_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(Failure, match="nowhere does not exist"):
        headless_run.find_models("sd15", None)


def test_the_drawn_person_changes_clothes_and_stays():
    inputs = {"person": 3, "scene": 0, "side_px": 192}
    person = draw_person(inputs)
    assert person.photo.size == (192, 192) and "face with" in person.caption
    assert len(set(person.prompts)) == 3 and len({prompt.split(" wearing ")[0] for prompt in person.prompts}) == 1
    assert draw_person(inputs, "a man in space").prompts == ("a man in space",) * 3


def test_what_needs_the_large_models_is_refused_with_the_way_to_get_them(capsys):
    """The command that is named is one that the models command takes."""
    nothing = {"photo": None, "checkpoint": None, "base_config": None, "base": "sd15"}
    wishes = {"photo": "a", "checkpoint": "b", "base": "sdxl"}
    with pytest.raises(Failure, match=r"--photo and --checkpoint and --base sdxl: .*are missing: CLIP\.") as refused:
        explain_small_models(Namespace(**nothing | wishes), ["CLIP"], "my models")
    command = re.search(r"python -m consistentid (.*)", str(refused.value))[1]
    parser = ArgumentParser()
    models_command.add_command(parser.add_subparsers())
    arguments = parser.parse_args(shlex.split(command))
    assert "checkpoint_sdxl" in [model.id for model in models_command._choose_models(arguments.names)]
    assert str(arguments.models_folder) == "my models"
    explain_small_models(Namespace(**nothing), ["CLIP"], "my models")
    assert "a drawn person" in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_told_before_drawing(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match=r"cannot be made .* Name another with --out"):
        plan_run(tmp_path / "file" / "out", 3)
