"""What gets installed, and that a second run installs nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quickstart import project_environment
from quickstart.failure import Failure


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project with requirements, a sound environment and a ComfyUI."""
    (tmp_path / "requirements.txt").write_text("insightface>=1.0\n\n# a comment\n")
    (tmp_path / "pyproject.toml").write_text('[project.optional-dependencies]\ntest = ["pytest>=8"]\n')
    (tmp_path / "comfyui").mkdir()
    (tmp_path / "comfyui" / "comfyui_version.py").write_text('__version__ = "0.3.64"')
    (tmp_path / "comfyui" / "requirements.txt").write_text(
        "torch\ntorchsde\ntorchvision>=0.2\ntorchaudio\naiohttp>=3.11.8\n"
    )
    environment = tmp_path / ".venv"
    environment.mkdir()
    for name, value in {
        "REPO": tmp_path,
        "FOLDER": environment,
        "PYTHON": Path(sys.executable),
        "STAMP": environment / "stamp.json",
        "LIST": environment / "list.txt",
    }.items():
        monkeypatch.setattr(project_environment, name, value)
    monkeypatch.setattr(project_environment, "_succeeds", lambda *arguments: True)
    return tmp_path


@pytest.fixture
def commands(monkeypatch):
    """The commands that would have run."""
    commands = []
    monkeypatch.setattr(project_environment, "run", lambda command, failure: commands.append(command))
    return commands


def test_comfyuis_torch_lines_are_left_out(project):
    lines = project_environment.list_requirements(project / "comfyui")
    assert lines[:3] == ["insightface>=1.0", "torchsde", "aiohttp>=3.11.8"]


def test_the_set_without_comfyui(project):
    names = [line.split(">")[0] for line in project_environment.list_requirements(None)]
    headless = ["diffusers", "transformers", "accelerate", "peft"]
    assert names == ["insightface", "requests", "scikit-image", "pytest", *headless]


def test_the_second_run_installs_nothing(project, commands):
    project_environment.prepare_environment(project / "comfyui")
    assert len(commands) == 1, "an importable torch is kept, the rest is installed"
    project_environment.prepare_environment(project / "comfyui")
    assert len(commands) == 1
    (project / "requirements.txt").write_text("insightface>=1.1\n")
    project_environment.prepare_environment(project / "comfyui")
    assert len(commands) == 2


@pytest.fixture
def other(project):
    """A ComfyUI that needs other versions."""
    folder = project / "other"
    folder.mkdir()
    (folder / "requirements.txt").write_text("aiohttp>=3.12\n")
    (folder / "comfyui_version.py").write_text('__version__ = "0.8.0"')
    return folder


def test_going_back_to_another_comfyui_installs_its_versions_again(project, other, commands):
    for comfyui in (project / "comfyui", other, project / "comfyui"):
        project_environment.prepare_environment(comfyui)
    assert len(commands) == 3


def test_what_needs_less_than_is_there_installs_nothing(project, commands):
    for comfyui in (project / "comfyui", None, project / "comfyui"):
        project_environment.prepare_environment(comfyui)
    assert len(commands) == 1


def test_a_broken_off_installation_is_repeated(project, other, monkeypatch, commands):
    project_environment.prepare_environment(project / "comfyui")
    with monkeypatch.context() as broken, pytest.raises(Failure):
        broken.setattr(project_environment, "_pip_install", lambda *_: (_ for _ in ()).throw(Failure("no network")))
        project_environment.prepare_environment(other)
    project_environment.prepare_environment(project / "comfyui")
    assert len(commands) == 2


def test_an_environment_without_pip_is_finished(project, commands, monkeypatch):
    """Its making was broken off between Python and pip."""
    monkeypatch.setattr(project_environment, "_succeeds", lambda *arguments: "pip" not in arguments)
    project_environment.prepare_environment(project / "comfyui")
    assert commands[0][1:] == ["-m", "ensurepip", "--upgrade"] and len(commands) == 2


def test_an_environment_whose_python_does_not_run_is_made_anew(project, commands, monkeypatch):
    monkeypatch.setattr(project_environment, "_succeeds", lambda *arguments: False)
    project_environment.prepare_environment(project / "comfyui")
    assert commands[0] == [sys.executable, "-m", "venv", "--clear", str(project / ".venv")]


def test_a_real_environment_that_was_broken_off_gets_its_pip(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    python = tmp_path / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    monkeypatch.setattr(project_environment, "PYTHON", tmp_path / "none")
    assert not project_environment._succeeds("-c", "")
    monkeypatch.setattr(project_environment, "PYTHON", python)
    project_environment._make_whole()
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def test_the_environment_of_the_tests_is_used_for_its_comfyui(project, commands, monkeypatch):
    (project / "comfyui" / "comfyui_version.py").write_text('__version__ = "0.33.0"')
    monkeypatch.setattr(sys, "prefix", str(project / ".venv-0.33.0"))
    project_environment.prepare_environment(project / "comfyui")
    project_environment.enter_environment(project / "comfyui")
    assert not commands and not project_environment.in_layer_of(None)


def test_a_failing_command_is_named():
    with pytest.raises(Failure, match=r"It broke \(exit code 3"):
        project_environment.run([sys.executable, "-c", "raise SystemExit(3)"], "It broke")
