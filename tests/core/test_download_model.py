"""Whole models: licence, space, hashes, archives, and what is on disk after anything goes wrong."""

import hashlib
import importlib.util
import io
import json
import os
import shutil
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from consistentid import whole_file
from consistentid.errors import ConsistentIDError
from consistentid.model_files import download, transfer
from consistentid.model_files.download import get_model
from consistentid.model_files.manifest import File, Model, Source
from consistentid.model_files.records import Records
from consistentid.model_files.transfer import Address, DownloadError, Watch
from consistentid.model_files.verify import AS_DOWNLOADED, CHANGED, MISSING, SOUND, UNKNOWN, verify_model
from consistentid.model_files.watch import DownloadCancelled

spec = importlib.util.spec_from_file_location("file_server", Path(__file__).with_name("file_server.py"))
file_server = sys.modules["file_server"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(file_server)
Served, corrupt, cut = file_server.Served, file_server.corrupt, file_server.cut

CONTENT = bytes(range(256)) * 1000
DETECTOR, RECOGNISER = b"detector" * 500, b"recogniser" * 500


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_model(files=None, **changes) -> Model:
    source = Source(url="https://models.example/adapter.bin")
    fields = {
        "id": "adapter",
        "title": "An adapter",
        "purpose": "Adapts.",
        "folder": "consistentid",
        "other_folders": (),
        "name": "adapter.bin",
        "alternatives": ("adaptor.bin",),
        "files": (File("adapter.bin", len(CONTENT), hash_of(CONTENT), source),) if files is None else files,
        "licence": "MIT",
        "consequence": "Free to use.",
        "needed_for": ("sd15",),
    }
    return Model(**fields | changes)


def make_package(content: bytes, files=(), known=True) -> Model:
    archive = File(
        "faces.zip", len(content) if known else None, hash_of(content) if known else None, Source(url="https://e.x/f")
    )
    return make_model(
        id="faces", name="faces", folder="insightface/models", files=files, archive=archive, marker="*.onnx"
    )


def zip_up(entries: dict, compression=zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def files(monkeypatch):
    """A server whose "/file" is what every source leads to."""
    monkeypatch.setattr(transfer, "PAUSE_S", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with file_server.serve() as files:
        monkeypatch.setattr(download, "locate_file", lambda file: Address(f"{files.url}/file", file.size, file.sha256))
        files["/file"] = Served(CONTENT)
        yield files


def get(model: Model, folder: Path, watch: Watch | None = None):
    Records(folder).accept(model)
    return get_model(model, folder, watch)


def list_all(folder: Path) -> set[str]:
    """Files below a folder, without records and locks."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in paths} - {"consistentid/downloads.json"}


def test_a_file_comes_under_its_name_and_sound(files, tmp_path):
    model = make_model()
    fetched = get(model, tmp_path)
    assert fetched.path == tmp_path / "consistentid/adapter.bin" and fetched.new and not fetched.unstated
    assert fetched.path.read_bytes() == CONTENT
    assert list_all(tmp_path) == {"consistentid/adapter.bin"}
    assert [v.state for v in verify_model(model, fetched.path, Records(tmp_path))] == [SOUND]


@pytest.mark.parametrize("name", ["adapter.bin", "adaptor.bin", "old/Adapter.bin"])
def test_a_file_that_is_there_is_not_fetched(files, tmp_path, name):
    path = tmp_path / "consistentid" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert get_model(make_model(), tmp_path) == download.Fetched(path)
    assert files.asked == []


def test_a_file_of_the_wrong_size_is_left_to_the_user(files, tmp_path):
    path = tmp_path / "consistentid" / "adapter.bin"
    path.parent.mkdir()
    path.write_bytes(b"short")
    with pytest.raises(DownloadError, match="5 bytes instead of 256,000"):
        get(make_model(), tmp_path)
    assert path.read_bytes() == b"short"


def test_no_download_before_the_licence_is_accepted(files, tmp_path):
    with pytest.raises(DownloadError, match=r"licence 'MIT', which was not accepted.*Free to use.*--accept-licence"):
        get_model(make_model(), tmp_path)
    Records(tmp_path).accept(make_model(licence="MIT, changed"))
    with pytest.raises(DownloadError, match="not accepted"):
        get_model(make_model(), tmp_path)
    assert files.asked == []


def test_no_download_of_what_only_a_browser_opens(files, tmp_path):
    page = Source(page="https://drive.google.com/file/d/1/view")
    with pytest.raises(DownloadError, match=r"browser.*drive\.google\.com/file/d/1/view.*models/consistentid/adapter"):
        get_model(make_model((File("adapter.bin", None, None, page),)), tmp_path)


def test_no_download_offline(files, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=r"HF_HUB_OFFLINE.*https://models\.example/adapter\.bin"):
        get(make_model(), tmp_path)
    assert files.asked == []


def test_damage_is_deleted_and_nothing_gets_the_name(files, tmp_path):
    files["/file"].faults = [corrupt]
    with pytest.raises(DownloadError, match=f"instead of {hash_of(CONTENT)}"):
        get(make_model(), tmp_path)
    assert list_all(tmp_path) == set()
    assert get(make_model(), tmp_path).new


def test_a_stopped_download_leaves_only_a_part(files, tmp_path):
    with pytest.raises(DownloadCancelled):
        get(make_model(), tmp_path, Watch(is_cancelled=lambda: bool(files.asked)))
    files["/file"].faults = [cut(1 << 17)] + [cut(0)] * 10
    with pytest.raises(DownloadError, match="131,072"):
        get(make_model(), tmp_path)
    parts = {"consistentid/adapter.bin.partial", "consistentid/adapter.bin.partial.etag.partial"}
    assert list_all(tmp_path) == parts
    files["/file"].faults, files.asked[:] = [], []
    get(make_model(), tmp_path)
    assert files.ranges("/file") == ["bytes=131072-"] and list_all(tmp_path) == {"consistentid/adapter.bin"}


def test_a_full_disk_is_noticed_before_the_download(files, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000))
    with pytest.raises(DownloadError, match=r"256,000 bytes are needed in .*consistentid, 100,000 are free"):
        get(make_model(), tmp_path)
    assert files.asked == []
    (tmp_path / "consistentid/adapter.bin.partial").write_bytes(CONTENT[:200_000])
    assert get(make_model(), tmp_path).new, "what is there needs no space"


def test_the_first_download_of_an_unknown_file_is_remembered(files, tmp_path):
    model = make_model((File("adapter.bin", None, None, Source(url="https://models.example/adapter.bin")),))
    fetched = get(model, tmp_path)
    assert fetched.unstated == ("adapter.bin",)
    entry = json.loads((tmp_path / "consistentid/downloads.json").read_text())["files"]["consistentid/adapter.bin"]
    assert (
        entry["sha256"] == hash_of(CONTENT) and entry["size"] == len(CONTENT) and entry["source"] == files.url + "/file"
    )
    kept = Records(tmp_path)
    assert [v.state for v in verify_model(model, fetched.path, kept)] == [AS_DOWNLOADED]
    fetched.path.write_bytes(CONTENT[::-1])
    (verdict,) = verify_model(model, fetched.path, kept)
    assert verdict.state == CHANGED and verdict.is_bad and verdict.sha256 == hash_of(CONTENT[::-1])


def test_a_file_put_there_by_hand_has_no_known_hash(tmp_path):
    model = make_model((File("adapter.bin", None, None, Source(url="https://models.example/adapter.bin")),))
    path = tmp_path / "adapter.bin"
    path.write_bytes(CONTENT)
    (verdict,) = verify_model(model, path, Records(tmp_path))
    assert verdict.state == UNKNOWN and not verdict.is_bad and verdict.sha256 == hash_of(CONTENT)


def test_damaged_records_are_an_error_with_a_way_out(tmp_path):
    Records(tmp_path).accept(make_model())
    (tmp_path / "consistentid/downloads.json").write_text("{")
    with pytest.raises(ConsistentIDError, match=r"downloads\.json is damaged.*Delete it"):
        Records(tmp_path).has_accepted(make_model())


@pytest.mark.parametrize("times", [3, 1000])
def test_records_wait_while_another_process_reads_them(tmp_path, monkeypatch, times):
    """As on Windows, where an open file cannot be replaced."""
    replace, refusals = os.replace, [PermissionError(13, "in use")] * times

    def refuse(source, target):
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(whole_file, "PAUSE_S", 0)
    monkeypatch.setattr(os, "replace", refuse)
    if times == 1000:
        with pytest.raises(PermissionError):
            Records(tmp_path).accept(make_model())
    else:
        Records(tmp_path).accept(make_model())
    assert Records(tmp_path).has_accepted(make_model()) is (times == 3)


def test_leftovers_of_an_older_download_do_not_come_along(files, tmp_path):
    content = zip_up({"det.onnx": DETECTOR})
    files["/file"] = Served(content)
    leftover = tmp_path / "insightface/models/faces.partial/old.onnx"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"old")
    get(make_package(content), tmp_path)
    assert list_all(tmp_path) == {"insightface/models/faces/det.onnx"}


@pytest.mark.parametrize("top", ["", "faces/"])
def test_an_archive_becomes_a_checked_folder(files, tmp_path, top):
    content = zip_up({f"{top}det.onnx": DETECTOR, f"{top}rec.onnx": RECOGNISER, f"{top}notes.txt": b"unlisted"})
    files["/file"] = Served(content)
    listed = (File("det.onnx", len(DETECTOR), hash_of(DETECTOR)), File("rec.onnx", None, hash_of(RECOGNISER)))
    model = make_package(content, listed)
    fetched = get(model, tmp_path)
    assert fetched.path == tmp_path / "insightface/models/faces" and not fetched.unstated
    assert list_all(tmp_path) == {f"insightface/models/faces/{name}" for name in ("det.onnx", "rec.onnx")}
    assert (fetched.path / "rec.onnx").read_bytes() == RECOGNISER
    assert {v.state for v in verify_model(model, fetched.path, Records(tmp_path))} == {SOUND}
    (fetched.path / "rec.onnx").unlink()
    assert [v.state for v in verify_model(model, fetched.path, Records(tmp_path))] == [SOUND, MISSING]
    get(model, tmp_path)
    assert (fetched.path / "rec.onnx").read_bytes() == RECOGNISER, "a missing file is brought again"


def test_an_archive_with_another_file_than_the_known_one_is_refused(files, tmp_path):
    content = zip_up({"det.onnx": b"another " * 500})
    files["/file"] = Served(content)
    with pytest.raises(DownloadError, match=hash_of(DETECTOR)):
        get(make_package(content, (File("det.onnx", len(DETECTOR), hash_of(DETECTOR)),)), tmp_path)
    assert not (tmp_path / "insightface/models/faces").exists()


def link_entry() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("link.onnx")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


HOSTILE = {
    "parent": (lambda: zip_up({"../evil.onnx": b"x"}), "may land outside"),
    "inner parent": (lambda: zip_up({"faces/../../evil.onnx": b"x"}), "may land outside"),
    "absolute": (lambda: zip_up({"/tmp/evil.onnx": b"x"}), "may land outside"),
    "backslashes": (lambda: zip_up({"..\\evil.onnx": b"x"}), "may land outside"),
    "drive": (lambda: zip_up({"C:evil.onnx": b"x"}), "may land outside"),
    "device": (lambda: zip_up({"con.onnx": b"x"}), "no file name on Windows"),
    "same name": (lambda: zip_up({"det.onnx": b"x", "DET.onnx": b"y"}), "'DET.onnx' twice"),
    "link": (lambda: zip_up({link_entry(): b"/etc/passwd"}), "link or a device"),
    "bomb": (lambda: zip_up({"det.onnx": bytes(5_000_000)}, zipfile.ZIP_DEFLATED), "unpacks to 5,000,000 bytes"),
    "not a zip": (lambda: b"PK\x03\x04 but then nothing sensible", "not a sound zip"),
    "empty": (lambda: zip_up({}), "it has none"),
    "damaged": (lambda: zip_up({"det.onnx": DETECTOR}).replace(b"detectord", b"DETECTORD"), "not a sound zip"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused(files, tmp_path, case):
    make, message = HOSTILE[case]
    files["/file"] = Served(make())
    folder = tmp_path / "models"
    folder.mkdir()
    with pytest.raises(DownloadError, match=message):
        get(make_package(make(), known=False), folder)
    assert not (folder / "insightface/models/faces").exists()
    assert list_all(folder) == set()
    assert not any("evil" in path.name or path.is_symlink() for path in tmp_path.rglob("*"))
    assert not Path("/tmp/evil.onnx").exists()


def test_an_archive_of_a_known_file_with_another_size_is_refused(files, tmp_path):
    content = zip_up({"det.onnx": DETECTOR + b"!"})
    files["/file"] = Served(content)
    with pytest.raises(DownloadError, match=r"det\.onnx has 4,001 bytes, not 4,000"):
        get(make_package(content, (File("det.onnx", len(DETECTOR), None),)), tmp_path)
