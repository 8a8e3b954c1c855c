"""`python -m consistentid models`: what it prints, what it returns, and that it is quick."""

import hashlib
import importlib
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from consistentid.model_files.manifest import read_manifest
from consistentid.model_files.records import Records
from consistentid.model_files.table import render_markdown
from consistentid.model_files.transfer import DownloadError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Run the command in this process, with a models folder of this test."""
    monkeypatch.setenv("CONSISTENTID_MODELS", str(tmp_path))
    main = importlib.import_module("consistentid.__main__").main
    return lambda *words: main(["models", *words])


def put(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_list_tells_what_is_there(models, tmp_path, capsys):
    put(tmp_path / "facexlib/parsing_bisenet.pth")
    assert models("list") == 0
    listed, _, uses = capsys.readouterr().out.partition("To download")
    assert "  sd15            4 files, at least 2.9 GB, 3 folders\n" in uses
    assert "  face2diffusion  by hand: face2diffusion\n" in uses
    lines = {line.split()[0]: line for line in listed.splitlines() if line.startswith("  ")}
    assert set(lines) == set(read_manifest())
    assert lines["face_parser"].endswith(f": {Path('facexlib/parsing_bisenet.pth')}")
    assert lines["clip_vision"].endswith("missing, size 2.5 GB")


def test_list_as_markdown_needs_no_models_folder(models, monkeypatch, capsys):
    monkeypatch.setenv("CONSISTENTID_MODELS", "/does/not/exist")
    assert models("list", "--markdown") == 0
    assert capsys.readouterr().out == render_markdown()


def test_a_models_folder_that_does_not_exist_is_named(models, monkeypatch, capsys):
    monkeypatch.setenv("CONSISTENTID_MODELS", "/does/not/exist")
    assert models("list") == 1
    assert "exist" in capsys.readouterr().err


def test_get_of_something_unknown_tells_what_there_is(models, capsys):
    assert models("get", "adaptor") == 1
    assert "no model 'adaptor'" in (told := capsys.readouterr().err) and "adapter_sd15" in told
    assert models("get", "sd1.5") == 1
    assert "no model 'sd1.5'. Is it sd15?" in capsys.readouterr().err


def test_the_sum_of_a_use_comes_first_and_counts_what_is_missing(models, tmp_path, capsys):
    assert models("get", "sd15") == 1
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"To download: 4 files, at least 2.9 GB, 3 folders below {tmp_path}."
    assert "`models get example_sd15` brings one" in others[0]
    put(tmp_path / "consistentid/ConsistentID-v1.bin")
    put(tmp_path / "checkpoints/mine.safetensors")
    assert models("get", "sd15") == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"To download (3 of 4 models): 3 files, 2.9 GB, 3 folders below {tmp_path}.\nBiSeNet")
    assert "adapter_sd15: already at" in out and "example_sd15" not in out
    assert "face_parser: not downloaded; accept it with --accept-licence." in err


def test_without_network_the_error_is_in_words(models, monkeypatch, capsys):
    def lookup(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert models("get", "adapter_sd15", "face_parser", "--accept-licence") == 1
    *told, total = capsys.readouterr().err.splitlines()
    assert all(
        line.endswith(" is not available: there is no network, or nobody there knows this address.") for line in told
    )
    assert len(told) == 2 and total == "2 of 2 models failed: adapter_sd15, face_parser."


def test_get_of_a_browser_page_tells_the_page(models, capsys):
    assert models("get", "face2diffusion", "--accept-licence") == 1
    told = capsys.readouterr().err
    assert "1Lf_mwMgme_HVYJCkViGr4TfGOfKw9PhE" in told and "models/consistentid/face2diffusion/" in told


def test_get_of_what_is_there_downloads_nothing(models, tmp_path, capsys):
    put(tmp_path / "consistentid/ConsistentID_SDXL-v1.bin")
    assert models("get", "adapter_sdxl", "--accept-licence") == 0
    assert "already at" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "accepted"), [("yes", True), (" YES ", True), ("y", False), ("", False)])
def test_the_licence_is_asked_for_once(models, tmp_path, monkeypatch, capsys, answer, accepted):
    from huggingface_hub import constants

    asked = []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or answer)
    assert models("get", "adapter_sdxl") == 1
    out, err = capsys.readouterr()
    assert ("forbids downloads" if accepted else "adapter_sdxl: declined, not downloaded.") in err
    assert (out + err).count(read_manifest()["adapter_sdxl"].consequence) == 1
    assert Records(tmp_path).has_accepted(read_manifest()["adapter_sdxl"]) is accepted
    models("get", "adapter_sdxl")
    assert len(asked) == (1 if accepted else 2)


def test_licences_say_what_was_accepted(models, tmp_path, capsys):
    Records(tmp_path).accept(read_manifest()["clip_vision"])
    assert models("licences", "sd15") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) == {"adapter_sd15", "face_parser", "clip_vision", "face_analysis"}
    assert lines["clip_vision"].endswith("[accepted]") and lines["face_parser"].endswith("[not accepted]")
    assert "non-commercial research" in lines["face_analysis"]


def test_verify_reports_a_file_that_is_not_the_known_one(models, tmp_path, capsys):
    put(tmp_path / "consistentid/face_parsing.pth", b"not the parser")
    assert models("verify") == 1
    out = capsys.readouterr().out
    assert "face_parser: not the known file" in out and "adapter_sd15: missing" in out


def test_verify_of_a_missing_file_fails_only_when_it_is_asked_for(models, tmp_path, capsys):
    assert models("verify") == 1
    assert f"Nothing to verify: none of these models is in {tmp_path}" in capsys.readouterr().err
    put(tmp_path / "consistentid/ConsistentID_SDXL-v1.bin")
    assert models("verify") == 0
    assert models("verify", "adapter_sd15") == 1
    assert "models get adapter_sd15" in capsys.readouterr().out


def test_verify_finds_a_renamed_file_by_its_hash(models, tmp_path, monkeypatch, capsys):
    from consistentid.model_files import command

    content = b"the parser"
    model = read_manifest()["face_parser"]
    known = replace(model.files[0], size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(command, "read_manifest", lambda: {"face_parser": replace(model, files=(known,))})
    put(tmp_path / "facexlib/renamed.pth", content)
    assert models("verify", "face_parser") == 0
    assert f"face_parser: sound: {tmp_path / 'facexlib/renamed.pth'}" in capsys.readouterr().out


def test_get_goes_on_after_a_model_that_failed(models, monkeypatch, capsys):
    from consistentid.model_files import download

    def get_model(model, folder, watch):
        if model.id == "adapter_sd15":
            raise PermissionError(13, "Permission denied", "adapter")
        if model.id == "face_parser":
            raise DownloadError("gone")
        return download.Fetched(folder / model.name, True)

    monkeypatch.setattr(download, "get_model", get_model)
    assert models("get", "sd15", "--accept-licence") == 1
    out, err = capsys.readouterr()
    assert "clip_vision: now at" in out and "face_analysis: now at" in out
    assert err.splitlines() == [
        "adapter_sd15: adapter: Permission denied. This user may not do that there: change the rights of the file or "
        "folder, or choose another.",
        "face_parser: gone",
        "2 of 4 models failed: adapter_sd15, face_parser.",
    ]


def test_a_file_system_error_is_one_line(models, tmp_path, capsys):
    (tmp_path / "consistentid/downloads.json").mkdir(parents=True)
    assert models("licences") == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "downloads.json" in told


def test_damaged_records_are_one_line(models, tmp_path, capsys):
    put(tmp_path / "consistentid/downloads.json", b'{"licences": {"face_parser": "x"}, "files": {}}')
    assert models("licences") == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert "downloads.json is damaged ('face_parser' is 'x')" in told


def test_a_console_that_lacks_the_letters_shows_their_numbers(tmp_path):
    folder = tmp_path / "模型"
    folder.mkdir()
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "CONSISTENTID_MODELS": str(folder)}
    run = subprocess.run(
        [sys.executable, "-m", "consistentid", "models", "list"], cwd=ROOT, env=environment, capture_output=True
    )
    assert run.returncode == 0, run.stderr
    assert rb"\u6a21\u578b" in run.stdout and b"adapter_sd15" in run.stdout


@pytest.mark.parametrize("words", [["-m", "consistentid"], ["-I", str(ROOT / "consistentid")]], ids=["module", "path"])
def test_the_command_starts_without_torch(tmp_path, words):
    """By path too: portable Pythons ignore the current folder, so -m does not find the package there."""
    check = "import atexit, sys; atexit.register(lambda: print(sorted({'torch', 'numpy'} & set(sys.modules))))"
    (tmp_path / "sitecustomize.py").write_text(check)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "CONSISTENTID_MODELS": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, *words, "models", "list"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "adapter_sd15" in run.stdout
    if words[0] == "-m":
        assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [[], ["models"], ["models", "get"], ["models", "fetch"]])
def test_wrong_arguments_exit_with_two(words):
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("consistentid.__main__").main(words)
    assert caught.value.code == 2
