"""The README's command, whole: a server, every node of the portrait workflow, two pictures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

QUICKSTART = Path(__file__).resolve().parents[2] / "quickstart"


def run_quickstart(*arguments):
    return subprocess.run([sys.executable, str(QUICKSTART), *arguments], capture_output=True, text=True)


@pytest.mark.host
@pytest.mark.server
@pytest.mark.slow
def test_portrait(tmp_path, comfyui):
    options = ["--steps", "2", "--width", "128", "--height", "192", "--seed", "7", "--prompt", "a photo of a woman"]
    run = run_quickstart("portrait", "--out", str(tmp_path), "--comfyui", str(comfyui), *options)
    assert run.returncode == 0, run.stdout + run.stderr
    portrait, sheet = (
        Path(re.search(rf"{label} +(.+\.png)", run.stdout)[1]) for label in ("Portrait", "Contact sheet")
    )
    assert sorted(tmp_path.iterdir()) == sorted((portrait, sheet))
    picture = Image.open(portrait)
    assert picture.size == (128, 192)
    (sampler,) = (n for n in json.loads(picture.text["prompt"]).values() if n["class_type"] == "ConsistentID_Sampler")
    assert (sampler["inputs"]["seed"], sampler["inputs"]["steps"]) == (7, 2)
    assert Image.open(sheet).width > 1000
    assert ("STAND-IN" in run.stdout) == ("noise, not a portrait" in run.stdout)


@pytest.mark.parametrize("arguments", [["--photo"], ["--surprise", "1"]])
def test_wrong_options_are_refused_before_anything_starts(arguments):
    run = run_quickstart("portrait", *arguments)
    assert run.returncode == 2
    assert "usage: python quickstart" in run.stderr


def test_a_wrong_folder_is_one_clear_message(tmp_path):
    run = run_quickstart("portrait", "--comfyui", str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.strip().startswith(f"No ComfyUI in {tmp_path}")
    assert "Traceback" not in run.stderr
