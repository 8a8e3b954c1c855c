"""The README's command, whole: a server, every node of the portrait workflow, two pictures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICKSTART = Path(__file__).resolve().parents[2] / "quickstart"


def run_quickstart(*arguments):
    return subprocess.run([sys.executable, str(QUICKSTART), *arguments], capture_output=True, text=True)


@pytest.mark.host
@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("base", ["sd15", "sdxl"])
def test_portrait(tmp_path, comfyui, base):
    options = ["--steps", "2", "--width", "128", "--height", "192", "--seed", "7", "--prompt", "a photo of a woman"]
    run = run_quickstart("portrait", "--base", base, "--out", str(tmp_path), "--comfyui", str(comfyui), *options)
    assert run.returncode == 0, run.stdout + run.stderr
    portrait, sheet = (
        Path(re.search(rf"{label} +(.+\.png)", run.stdout)[1]) for label in ("Portrait", "Contact sheet")
    )
    assert sorted(tmp_path.iterdir()) == sorted((portrait, sheet))
    picture = Image.open(portrait)
    assert picture.size == (128, 192)
    assert np.asarray(picture).std() > 10, "neither black nor grey: no NaN on the way"
    nodes = {node["class_type"]: node["inputs"] for node in json.loads(picture.text["prompt"]).values()}
    assert (nodes["ConsistentID_Sampler"]["seed"], nodes["ConsistentID_Sampler"]["steps"]) == (7, 2)
    assert ("xl" in nodes["ConsistentID_LoadAdapter"]["adapter_name"].lower()) == (base == "sdxl")
    assert Image.open(sheet).width > 1000
    assert ("STAND-IN" in run.stdout) == ("noise, not a portrait" in run.stdout)


@pytest.mark.parametrize("arguments", [["--photo"], ["--surprise", "1"], ["--base", "sd3"]])
def test_wrong_options_are_refused_before_anything_starts(arguments):
    run = run_quickstart("portrait", *arguments)
    assert run.returncode == 2
    assert "usage: python quickstart" in run.stderr


def test_a_wrong_folder_is_one_clear_message(tmp_path):
    run = run_quickstart("portrait", "--comfyui", str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.strip().startswith(f"No ComfyUI in {tmp_path}")
    assert "Traceback" not in run.stderr
