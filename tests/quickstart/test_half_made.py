"""What a stopped quick start leaves is finished or made anew, and two at once do not meet."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from process_trees import ROOT

from quickstart import comfyui_folder, project_environment
from quickstart.failure import Failure
from quickstart.file_lock import holding


def make_package(site, name, installer):
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    if installer:
        (folder / "INSTALLER").write_text("pip\n")
    return folder


@pytest.mark.parametrize("place", ["lib/python3.11", "Lib"])
def test_a_package_that_pip_was_stopped_in_is_installed_again(tmp_path, monkeypatch, place):
    monkeypatch.setattr(project_environment, "FOLDER", tmp_path)
    site = tmp_path / place / "site-packages"
    whole, half = make_package(site, "whole", True), make_package(site, "half", False)
    project_environment._forget_half_installed()
    assert whole.exists() and not half.exists()


@pytest.fixture
def clone(monkeypatch, tmp_path):
    monkeypatch.setattr(comfyui_folder, "CLONE", tmp_path / "comfy" / "ComfyUI")
    return comfyui_folder.CLONE


def write_half(command, returncode):
    """As git that was stopped: main.py is there, and what comes later in the alphabet is not."""
    part = Path(command[-1])
    for name in ("main.py", "folder_paths.py", "comfyui_version.py"):
        (part / name).write_text('__version__ = "0.3.64"')
    if returncode is None:
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(command, returncode, "", "early EOF")


@pytest.mark.parametrize(("returncode", "error"), [(128, Failure), (None, KeyboardInterrupt)])
def test_a_stopped_clone_is_no_comfyui(clone, monkeypatch, returncode, error):
    monkeypatch.setattr(comfyui_folder.shutil, "which", lambda name: name)
    monkeypatch.setattr(comfyui_folder.subprocess, "run", lambda command, **_: write_half(command, returncode))
    left = clone.parent / f"{comfyui_folder.PART}left"
    left.mkdir(parents=True)
    with pytest.raises(error):
        comfyui_folder.clone_comfyui()
    assert not clone.exists() and not comfyui_folder.is_comfyui(left)
    assert [path.name for path in clone.parent.iterdir()] == [".quickstart.lock"]
    monkeypatch.setattr(comfyui_folder.subprocess, "run", lambda command, **_: write_half(command, 0))
    assert comfyui_folder.clone_comfyui() == clone and comfyui_folder.is_comfyui(clone)


def test_one_waits_for_the_other_and_not_for_a_dead_one(tmp_path, capsys):
    hold = f"import sys; sys.path.append({str(ROOT)!r})\nfrom quickstart.file_lock import holding\nimport time\n"
    hold += (
        "from pathlib import Path\nwith holding(Path(sys.argv[1]), 'x'):\n    print('held', flush=True); time.sleep(60)"
    )
    path = tmp_path / "a" / "lock"
    other = subprocess.Popen([sys.executable, "-c", hold, path], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    third = hold.replace("time.sleep(60)", "pass")
    waiting = subprocess.Popen([sys.executable, "-c", third, path], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == "Waiting for another quick start, which x.\n"
    other.kill()
    other.communicate()
    assert waiting.communicate(timeout=10)[0] == "held\n"
    with holding(path, "x"):
        assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="flock is of POSIX")
def test_a_disk_without_locks_does_not_make_it_wait(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with holding(tmp_path / "held", "x"):
        pass
