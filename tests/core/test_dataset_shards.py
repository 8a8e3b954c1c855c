"""Shards: the records they were made from, byte for byte, read from a folder or from storage; damage is named."""

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parent))

from file_server import Served, answer, serve

from consistentid.dataset.check import check_records
from consistentid.dataset.command import add_command
from consistentid.dataset.pack import pack_records
from consistentid.dataset.records import DatasetError, read_records, write_record
from consistentid.storage import Storage, StorageError

TEXTS = {"caption": "A man in a park.", "facial_caption": "He has a round face and a small nose."}


@pytest.fixture
def folder(tmp_path):
    """Five records, one without an embedding, one with a name of letters."""
    labels = np.zeros((64, 64), dtype=np.uint8)
    labels[10:50, 16:48] = 1
    labels[28:36, 30:34] = 10
    for number, name in enumerate(("ada/1.jpg", "ada/2.jpg", "ben", "zoë", "last")):
        image = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        embedding = None if name == "ben" else np.eye(512, dtype=np.float32)[number]
        write_record(tmp_path / "set", name, image, labels, embedding, **TEXTS | {"caption": f"Number {number}."})
    return tmp_path / "set"


@pytest.fixture
def storage():
    """An address of fsspec's that is in memory, as object storage is: not on any disk."""
    import fsspec

    yield Storage("memory://bucket/packed")
    fsspec.filesystem("memory").store.clear()


def run_command(*words) -> int:
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    arguments = parser.parse_args(["dataset", *map(str, words)])
    return arguments.run(arguments)


def read_all(record):
    embedding = record.read_embedding()
    return [record.name, record.caption, record.facial_caption], [
        record.read_image().tobytes(),
        record.read_labels(64, 64).tobytes(),
        None if embedding is None else embedding.numpy().tobytes(),
    ]


@pytest.mark.parametrize("place", ["folder", "memory://bucket/packed"])
def test_shards_hold_the_records_of_the_folder(place, folder, storage, capsys):
    out = folder.with_name("packed") if place == "folder" else place
    assert run_command("pack", folder, out, "--per-shard", 2) == 0
    assert "Records: 5. Shards written: 3; there before: 0." in capsys.readouterr().out
    packed, files = read_records(out), read_records(folder)
    assert [read_all(record) for record in packed] == [read_all(record) for record in files]
    assert {record.shard for record in packed} == {"000000.tar", "000001.tar", "000002.tar"}
    assert run_command("check", out) == 0
    assert "Records: 5; without an ID embedding: 1." in capsys.readouterr().out
    again = Storage("memory://bucket/again")
    pack_records(packed, again, 2)
    assert again.read("000001.tar") == Storage(str(out)).read("000001.tar"), "the same bytes, from shards too"


def test_webdataset_reads_them(folder, tmp_path):
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed: pip install webdataset")
    pack_records(read_records(folder), Storage(str(tmp_path / "packed")), 3)
    shards = str(tmp_path / "packed" / "{000000..000001}.tar")
    samples = list(wds.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert [sample["json"]["name"] for sample in samples] == [record.name for record in read_records(folder)]
    for sample, record in zip(samples, read_records(folder), strict=True):
        assert np.array_equal(sample["image.png"], record.read_image())
        assert sample["json"]["caption"] == record.caption and ("embedding.pth" in sample) == (record.name != "ben")


def test_a_packing_that_was_stopped_goes_on(folder, storage, monkeypatch):
    """Whole shards stay, and until the last one there is no set."""
    create, made = Storage.create, []

    def stop(self, name):
        if name == "000002.tar":
            raise KeyboardInterrupt
        made.append(name)
        return create(self, name)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Storage, "create", stop)
        pack_records(read_records(folder), storage, 2)
    assert made == ["000000.tar", "000000.json", "000001.tar", "000001.json"]
    with pytest.raises(DatasetError, match=r"not packed to its end: shards\.json is missing"):
        read_records(storage.place)
    packing = pack_records(read_records(folder), storage, 2)
    assert (packing.written, packing.kept) == (1, 2) and len(read_records(storage.place)) == 5
    (folder / "all_JSON/zoë.json").write_text((folder / "all_JSON/zoë.json").read_text().replace("Number", "New"))
    packing = pack_records(read_records(folder), storage, 2)
    assert (packing.written, packing.kept) == (1, 2) and read_records(storage.place)[4].caption == "New 3."


def test_a_local_packing_without_its_end(folder, tmp_path):
    pack_records(read_records(folder), Storage(str(tmp_path / "packed")), 2)
    (tmp_path / "packed/shards.json").unlink()
    with pytest.raises(DatasetError, match=r"not packed to its end"):
        read_records(tmp_path / "packed")


def test_half_of_a_shard_and_a_lost_one_are_named(folder, tmp_path):
    out = tmp_path / "packed"
    pack_records(read_records(folder), Storage(str(out)), 2)
    (out / "000000.tar").write_bytes((out / "000000.tar").read_bytes()[:1000])
    (out / "000001.tar").unlink()
    with pytest.raises(DatasetError, match=r"2 of 3 shards .* 000000\.tar: 1000 of \d+ bytes, 000001\.tar: no of"):
        read_records(out)
    pack_records(read_records(folder), Storage(str(out)), 2)
    assert len(read_records(out)) == 5


def test_a_changed_byte_is_one_record_s_problem(folder, tmp_path, capsys):
    out = tmp_path / "packed"
    pack_records(read_records(folder), Storage(str(out)), 5)
    content = bytearray((out / "000000.tar").read_bytes())
    record = read_records(out)[1]
    content[record.start + 1000] ^= 1
    (out / "000000.tar").write_bytes(content)
    assert run_command("check", out) == 1
    said = capsys.readouterr().out
    assert "000000.tar is damaged: record ada/2.jpg is not what was packed" in said and "cannot be used: 1" in said


def test_what_is_not_packed(folder, tmp_path, storage):
    entry = folder / "all_JSON/last.json"
    entry.write_text(json.dumps({**json.loads(entry.read_text()), "vqa_llva": ""}))
    with pytest.raises(DatasetError, match=r"1 of 5 records lack a caption \(last\)"):
        pack_records(read_records(folder), storage)
    entry.write_text((folder / "all_JSON/ben.json").read_text())
    with pytest.raises(DatasetError, match="1 records are there twice, the first of them last"):
        pack_records(read_records(folder), storage)
    assert [name for name, _ in check_records(read_records(folder)).problems] == ["last"]
    entry.unlink()
    (folder / "resize_IMG/zoë_resize.png").unlink()
    with pytest.raises(DatasetError, match=r"zoë_resize\.png cannot be read"):
        pack_records(read_records(folder), storage)
    with pytest.raises(DatasetError, match="name a number from 1"):
        pack_records(read_records(folder), storage, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is not what it should be"),
        ('{"format": "x", "version": 1, "shards": []}', "of another program"),
        ('{"format": "consistentid-shards", "version": 9, "shards": []}', "another version"),
    ],
)
def test_a_foreign_index(content, message, storage):
    storage.write("shards.json", content.encode())
    with pytest.raises(DatasetError, match=message):
        read_records(storage.place)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("memory://nowhere", r"memory://nowhere/shards\.json is not there"),
        ("nosuch://bucket/set", "cannot be reached"),
        ("http://127.0.0.1:9/set", "cannot be reached.*Check the address"),
    ],
)
def test_places_that_cannot_be_reached(place, message):
    with pytest.raises(StorageError, match=message):
        read_records(place)


@pytest.mark.parametrize("code", [401, 403])
def test_a_server_that_wants_other_credentials(code):
    with serve() as files:
        files["/set/shards.json"] = Served(b"{}", faults=[answer(code)] * 9)
        with pytest.raises(StorageError, match=rf"shards\.json: .*{code}.*the credentials; the same command goes on"):
            Storage(f"{files.url}/set").read("shards.json")


def test_reasons_of_storage_are_said(monkeypatch):
    import fsspec

    store = Storage("memory://bucket/x")
    cases = [
        (PermissionError("Access Denied"), "Check the credentials"),
        (PermissionError("The difference between the request time and the current time is too large."), "clock"),
        (OSError(28, "No space left on device"), "make room"),
        (ImportError("Install s3fs to access S3"), "Install s3fs"),
    ]
    for error, message in cases:

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", fail)
        with pytest.raises(StorageError, match=message):
            store.read("a")


def test_shards_without_extensions_of_tar(folder, storage):
    """Any program reads them: plain tar, the files of a record together, no time and no owner."""
    pack_records(read_records(folder), storage, 5)
    with tarfile.open(fileobj=io.BytesIO(storage.read("000000.tar"))) as tar:
        members = tar.getmembers()
    assert [member.name for member in members[:4]] == [
        *("00000000.image.png", "00000000.mask.png", "00000000.embedding.pth", "00000000.json")
    ]
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}
    assert torch.equal(read_records(storage.place)[0].read_embedding(), torch.eye(512)[0])
