"""Finding a ComfyUI, refusing an old one, cloning when there is none."""

import os
import subprocess

import pytest

from quickstart import comfyui_folder
from quickstart.failure import Failure


def make_comfyui(folder, version="0.3.64"):
    folder.mkdir(parents=True)
    for name in ("main.py", "folder_paths.py"):
        (folder / name).touch()
    (folder / "comfyui_version.py").write_text(f'# generated\n__version__ = "{version}"\n')
    return folder


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    monkeypatch.setattr(comfyui_folder, "CLONE", tmp_path / "home" / "comfy" / "ComfyUI")
    monkeypatch.setattr(comfyui_folder, "USUAL_FOLDERS", (comfyui_folder.CLONE,))
    monkeypatch.setattr(comfyui_folder, "REPO", tmp_path / "elsewhere" / "pack")


def test_nothing_found():
    assert comfyui_folder.find_comfyui() is None


def test_a_named_folder_wins_over_all(monkeypatch, tmp_path):
    make_comfyui(comfyui_folder.CLONE)
    named, from_environment = make_comfyui(tmp_path / "a"), make_comfyui(tmp_path / "b")
    monkeypatch.setenv("COMFYUI_PATH", str(from_environment))
    assert comfyui_folder.find_comfyui(str(named)) == named
    assert comfyui_folder.find_comfyui() == from_environment


def test_the_folder_around_the_pack_wins_over_the_usual_ones(monkeypatch, tmp_path):
    around = make_comfyui(tmp_path / "around")
    make_comfyui(comfyui_folder.CLONE)
    monkeypatch.setattr(comfyui_folder, "REPO", around / "custom_nodes" / "pack")
    assert comfyui_folder.find_comfyui() == around


def test_every_comfyui_of_the_usual_places_once_per_version(monkeypatch, tmp_path, capsys):
    home = comfyui_folder.CLONE.parent
    first = make_comfyui(comfyui_folder.CLONE, "0.3.64")
    make_comfyui(home / "ComfyUI-0.3.64")
    others = [make_comfyui(home / "ComfyUI-0.33.0", "0.33.0"), make_comfyui(home / "ComfyUI2", "0.8.0")]
    old = make_comfyui(home / "ComfyUI-old", "0.2.0")
    make_comfyui(home / "OtherUI", "0.9.0")
    (home / "ComfyUI-workflows").mkdir()
    assert comfyui_folder.find_every_comfyui() == [first, *others]
    assert f"Left out: {old}, older than ComfyUI 0.3.64." in capsys.readouterr().out
    around = make_comfyui(tmp_path / "around", "0.7.0")
    monkeypatch.setattr(comfyui_folder, "REPO", around / "custom_nodes" / "pack")
    assert comfyui_folder.find_every_comfyui() == [around, first, *others]
    assert comfyui_folder.find_comfyui() == around


def test_several_named_folders(monkeypatch, tmp_path):
    """The first is the one to draw with; one that is none or too old is an error for all."""
    make_comfyui(comfyui_folder.CLONE)
    folders = [make_comfyui(tmp_path / version, version) for version in ("0.33.0", "0.3.64")]
    monkeypatch.setenv("COMFYUI_PATH", os.pathsep.join(map(str, folders)))
    assert comfyui_folder.find_every_comfyui() == folders and comfyui_folder.find_comfyui() == folders[0]
    old = make_comfyui(tmp_path / "old", "0.2.0")
    for wrong, said in ((old, "needs 0.3.64"), (tmp_path / "none", "No ComfyUI in")):
        monkeypatch.setenv("COMFYUI_PATH", os.pathsep.join(map(str, (*folders, wrong))))
        with pytest.raises(Failure, match=said):
            comfyui_folder.find_every_comfyui()


def test_a_named_folder_without_comfyui_is_an_error(tmp_path):
    with pytest.raises(Failure, match=r"(?s)No ComfyUI in .*--comfyui"):
        comfyui_folder.find_comfyui(str(tmp_path))


@pytest.mark.parametrize("version", ["0.3.63", "0.2.99"])
def test_an_old_comfyui_is_an_error(tmp_path, version):
    folder = make_comfyui(tmp_path / "old", version)
    with pytest.raises(Failure, match=rf"{version}; this pack needs 0\.3\.64"):
        comfyui_folder.find_comfyui(str(folder))


@pytest.mark.parametrize("version", ["0.3.64", "0.3.100", "0.8.0", "1.0.0"])
def test_a_new_comfyui_is_accepted(tmp_path, version):
    folder = make_comfyui(tmp_path / "new", version)
    assert comfyui_folder.find_comfyui(str(folder)) == folder


def test_clone(monkeypatch, tmp_path):
    source = make_comfyui(tmp_path / "source")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    monkeypatch.setattr(comfyui_folder, "SOURCE", source.as_uri())
    assert comfyui_folder.clone_comfyui() == comfyui_folder.CLONE
    assert comfyui_folder.find_comfyui() == comfyui_folder.CLONE


def test_a_failed_clone_says_what_was_tried_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(comfyui_folder, "SOURCE", (tmp_path / "nowhere").as_uri())
    with pytest.raises(Failure, match=r"(?s)Cloning ComfyUI failed.*nowhere.*--comfyui PATH"):
        comfyui_folder.clone_comfyui()
    assert not comfyui_folder.CLONE.exists()


def test_clone_never_touches_a_folder_with_content():
    kept = comfyui_folder.CLONE / "models" / "mine.safetensors"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(Failure, match="holds no complete ComfyUI"):
        comfyui_folder.clone_comfyui()
    assert kept.exists()
