"""`python quickstart test`, whole: in a small repository with two ComfyUIs, and an environment for each."""

import os
import subprocess
import sys

import pytest
from small_repository import write_comfyui, write_repository

from quickstart import all_tests

pytestmark = pytest.mark.slow

TESTS = """
import os, sys
from pathlib import Path
import pytest

def test_core():
    assert Path(sys.prefix).name == ".venv"

@pytest.mark.host
def test_host():
    folder = Path(os.environ["COMFYUI_PATH"])
    environments = {"old": ".venv", "new": ".venv-0.33.0"}
    assert Path(sys.prefix).name == environments[folder.name] and "0." in (folder / "comfyui_version.py").read_text()

@pytest.mark.server
def test_only_on_the_old():
    assert os.environ["COMFYUI_PATH"].endswith("old"), "broken on the new"

@pytest.mark.once
@pytest.mark.server
def test_of_the_pack():
    assert os.environ["COMFYUI_PATH"].endswith("new")

@pytest.mark.browser
def test_beside_a_pack():
    pytest.skip("no ComfyUI_Pack in custom_nodes")
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_comfyui(folder / "comfy" / "old", "0.3.64")
    write_comfyui(folder / "comfy" / "new", "0.33.0", "pytest>=7\n")
    return write_repository(folder, TESTS)


@pytest.fixture(scope="module")
def run(repository):
    def run(*arguments, comfyuis=("old", "new")):
        named = os.pathsep.join(str(repository / "comfy" / name) for name in comfyuis)
        environment = os.environ | {"COMFYUI_PATH": named, "HOME": str(repository), "USERPROFILE": str(repository)}
        command = [sys.executable, str(repository / "quickstart"), "test", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


def test_each_test_runs_where_it_belongs(run):
    done = run()
    assert done.returncode == 1, done.stdout + done.stderr
    summary = done.stdout[done.stdout.index("what was proved") :]
    assert [" ".join(line.split()[:-3]) for line in summary.splitlines()[1:4]] == [
        "needing no ComfyUI 1 passed",
        "on ComfyUI 0.3.64 2 passed, 1 skipped",
        "on ComfyUI 0.33.0 1 failed, 2 passed, 1 skipped",
    ]
    assert "\nLONGEST:\n  needing no ComfyUI: tests/test_small.py " in summary
    skipped = "1 on ComfyUI 0.3.64 and 1 on ComfyUI 0.33.0: no ComfyUI_Pack in custom_nodes"
    assert f"NOT PROVED:\n  test_small.py, {skipped}\n" in summary.replace("tests/", "")
    assert "on ComfyUI 0.33.0: tests/test_small.py::test_only_on_the_old" in summary
    assert "= 1 failed, 5 passed, 2 skipped in " in summary.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["-k", "core", "-m", "not slow"], 0), (["tests/test_small.py::test_only_on_the_old"], 1), (["-k", "nobody"], 5)],
)
def test_a_choice_that_is_empty_in_one_part_is_no_failure(run, arguments, code):
    done = run(*arguments)
    assert done.returncode == code and "Creating the environment" not in done.stdout


def test_a_half_made_layer_is_made_anew(run, repository):
    (repository / ".venv-0.33.0" / "quickstart-installed.txt").unlink()
    for file in (repository / ".venv-0.33.0").rglob("*.pth"):
        file.unlink()
    done = run("-k", "test_host")
    assert "Creating the environment" in done.stdout and done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_folder_is_told_before_anything_runs(run):
    done = run(comfyuis=("old", "none"))
    assert done.returncode == 1 and "No ComfyUI in" in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("pinned", "taken"), [("1.27.10", "1.58.1"), ("1.58.1", "1.58.1"), ("1.60.0", "1.60.0"), ("1.9.3", "1.58.1")]
)
def test_the_newest_editor_takes_the_place_of_older_ones(pinned, taken):
    line = all_tests._take_newest_editor(f"comfyui-frontend-package=={pinned}")
    assert line == f"comfyui-frontend-package=={taken}"
    assert all_tests._take_newest_editor("torchsde") == "torchsde"
