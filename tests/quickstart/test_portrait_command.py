"""The README's command, whole: a server, a drawn person, three portraits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from process_trees import await_end, list_tree, start

QUICKSTART = Path(__file__).resolve().parents[2] / "quickstart"


def run_quickstart(*arguments):
    return subprocess.run([sys.executable, str(QUICKSTART), *arguments], capture_output=True, text=True)


@pytest.mark.host
@pytest.mark.server
@pytest.mark.slow
def test_three_portraits_of_a_drawn_person(tmp_path, comfyui):
    options = ["--seed", "7", "--steps", "12"]
    run = run_quickstart("portrait", "--out", str(tmp_path), "--comfyui", str(comfyui), *options)
    assert run.returncode == 0, run.stdout + run.stderr
    portraits = [Path(path) for path in re.findall(r"Portrait +(.+\.png)", run.stdout)]
    (sheet,) = re.findall(r"Contact sheet +(.+\.png)", run.stdout)
    (person,) = re.findall(r"Person +(.+\.png)", run.stdout)
    assert sorted(tmp_path.iterdir()) == sorted([*portraits, Path(sheet), Path(person)]) and len(portraits) == 3
    pictures = [Image.open(portrait) for portrait in portraits]
    assert all(picture.size == (128, 128) and np.asarray(picture).std() > 10 for picture in pictures)
    graphs = [json.loads(picture.text["prompt"]).values() for picture in pictures]
    nodes = [{node["class_type"]: node["inputs"] for node in graph} for graph in graphs]
    assert [one["KSampler"]["seed"] for one in nodes] == [7, 8, 9]
    assert {one["KSampler"]["steps"] for one in nodes} == {12}
    assert len({one["ConsistentID_InjectTokens"]["prompt"] for one in nodes}) == 3
    assert Image.open(sheet).width > 1000 and "a drawn person, in three pictures" in run.stdout


@pytest.mark.host
@pytest.mark.server
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_killed_it_leaves_no_server(tmp_path, comfyui):
    options = ["--out", str(tmp_path), "--comfyui", str(comfyui), "--steps", "1000"]
    process = start([sys.executable, QUICKSTART, "portrait", *options])
    assert any(line.startswith("Models:") for line in process.stdout), "the server runs"
    tree = list_tree(process.pid)
    assert any("main.py" in one.cmdline() for one in tree)
    process.kill()
    process.wait()
    await_end(tree, 15)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["--photo"], ["--surprise", "1"], ["--base", "sd3"], ["--seed", "-1"]])
def test_wrong_options_are_refused_before_anything_starts(arguments):
    run = run_quickstart("portrait", *arguments)
    assert run.returncode == 2
    assert "usage: python quickstart" in run.stderr


def test_a_wrong_folder_is_one_clear_message(tmp_path):
    run = run_quickstart("portrait", "--comfyui", str(tmp_path))
    assert run.returncode == 1
    assert run.stderr.strip().startswith(f"No ComfyUI in {tmp_path}")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("way", [[str(QUICKSTART)], ["-m", "quickstart"]])
def test_a_bare_python_starts_it(way, tmp_path):
    """-S: without any installed package. Up to the environment the standard library is enough."""
    command = [sys.executable, "-S", *way, "portrait", "--comfyui", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=QUICKSTART.parent)
    assert run.returncode == 1
    assert run.stderr.strip().startswith(f"No ComfyUI in {tmp_path}"), run.stderr


def test_what_makes_the_environment_needs_the_standard_library_only():
    imports = "from quickstart import all_tests, comfyui_server, layered_environment, project_environment"
    subprocess.run([sys.executable, "-S", "-c", imports], cwd=QUICKSTART.parent, check=True)
