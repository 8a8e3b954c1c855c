"""Where pictures are written: never over a file of the run nor an earlier picture, and only when they are whole."""

import re
from pathlib import Path

import pytest
from PIL import Image

from consistentid.__main__ import main
from consistentid.errors import ConsistentIDError
from consistentid.headless.portrait import Portrait
from consistentid.headless.portrait_files import plan_attention, plan_files, save_portrait
from consistentid.headless.portrait_settings import PortraitSettings, read_settings

PICTURE = Image.new("RGB", (64, 64), "green")


def make_portrait(count=1):
    return Portrait([PICTURE] * count, [], [], PortraitSettings(face="me.jpg", batch=count))


def list_names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["x.png", "x_2.png", "x_stages.png"])
def test_no_file_is_written_over_unless_allowed(tmp_path, name):
    old = tmp_path / name
    old.write_bytes(b"old")
    with pytest.raises(ConsistentIDError, match=rf"{name} is there already.*--overwrite"):
        plan_files(tmp_path / "x", 2)
    save_portrait(make_portrait(2), plan_files(tmp_path / "x", 2, overwrite=True))
    assert list_names(tmp_path) == {"x.png", "x_2.png", "x_stages.png"}
    assert Image.open(old).format == "PNG"


@pytest.mark.parametrize("option", ["--face", "--identity", "--image", "--mask", "--control-image", "--from-png"])
def test_a_file_of_the_run_is_never_written_over(tmp_path, monkeypatch, capsys, option):
    """Through another spelling of its path too; before anything is loaded."""
    monkeypatch.chdir(tmp_path)
    save_portrait(make_portrait(), plan_files("mine.png", 1))
    before = (tmp_path / "mine.png").read_bytes()
    words = {"--image": ["--mask", "b"], "--mask": ["--image", "b"], "--control-image": ["--controlnet", "b"]}
    face = [] if option in ("--face", "--identity", "--from-png") else ["--face", "me.jpg"]
    named = [option, "mine.png", *face, *words.get(option, [])]
    assert main(["portrait", *named, "--out", str(tmp_path / "mine"), "--overwrite"]) == 1
    assert "is read by this run" in capsys.readouterr().err
    assert (tmp_path / "mine.png").read_bytes() == before


def test_a_lora_is_a_file_of_the_run():
    settings = PortraitSettings(face="a", lora=("style.safetensors=0.5",))
    assert {"a", "style.safetensors"} <= set(settings.list_files())


def test_without_a_name_it_is_the_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in ("", tmp_path):
        files = plan_files(out, 1)
        assert re.fullmatch(r"portrait_\d{8}_\d{6}\.png", files.pictures[0].name)
        assert files.pictures[0].resolve().parent == tmp_path
    assert list_names(tmp_path) == set()


def test_what_appears_while_a_run_draws_is_kept(tmp_path):
    """Two runs that began in one second planned the same names."""
    first, second = (plan_files(tmp_path / "x.png", 2) for _ in range(2))
    saved = [save_portrait(make_portrait(2), files) for files in (first, second)]
    assert [path.name for path in saved[1].pictures] == ["x-2.png", "x-2_2.png"]
    assert saved[1].sheet.name == "x-2_stages.png"
    assert list_names(tmp_path) == {path.name for files in saved for path in (*files.pictures, files.sheet)}


def test_the_folder_is_made_or_refused_before_drawing(tmp_path, monkeypatch):
    assert plan_files(tmp_path / "a" / "b" / "x.png", 1).sheet == tmp_path / "a" / "b" / "x_stages.png"
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ConsistentIDError, match="cannot be made"):
        plan_files(tmp_path / "file" / "x.png", 1)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConsistentIDError, match="cannot be written"):
        plan_files(tmp_path / "x.png", 1)


def test_a_failed_write_leaves_the_old_picture_and_nothing_else(tmp_path, monkeypatch):
    files = plan_files(tmp_path / "x.png", 1)
    save_portrait(make_portrait(), files)
    before = files.pictures[0].read_bytes()

    def fail(image, path, **options):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(ConsistentIDError, match=r"x\.png could not be written: No space left"):
        save_portrait(make_portrait(), files)
    assert files.pictures[0].read_bytes() == before
    assert list_names(tmp_path) == {"x.png", "x_stages.png"}
    assert read_settings(files.pictures[0]) == make_portrait().settings


def test_a_sheet_of_attention_is_no_other_file_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = plan_files("out.png", 1)
    assert plan_attention("attention.png", files) == Path("attention.png")
    for other in (tmp_path / "out.png", "./out.png", tmp_path / files.sheet.name, "attention.jpg"):
        with pytest.raises(ConsistentIDError, match="is no PNG of its own"):
            plan_attention(other, files)
