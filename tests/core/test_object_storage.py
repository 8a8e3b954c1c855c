"""Sets and shards on an S3 server over HTTP: cut connections, wrong credentials, a bucket and a server that are not
there."""

import json
import socket
import threading
import time
import urllib.request
from contextlib import suppress

import fsspec
import numpy as np
import pytest

from consistentid.dataset.check import check_records
from consistentid.dataset.pack import pack_records
from consistentid.dataset.records import DatasetError, read_records, write_record
from consistentid.storage import Storage, StorageError

TEXTS = {"caption": "A man in a park.", "facial_caption": "He has a round face and a small nose."}
SHARDS = ["000000.tar", "000001.tar", "000002.tar"]
WHOLE = 1 << 40


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    labels = np.zeros((64, 64), dtype=np.uint8)
    labels[10:50, 16:48] = 1
    for number in range(5):
        image = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_record(folder, f"ada/{number}.jpg", image, labels, np.eye(512, dtype=np.float32)[number], **TEXTS)
    return read_records(folder)


@pytest.fixture(scope="module")
def expected(records, tmp_path_factory):
    """Shards of the same records in a folder."""
    folder = Storage(str(tmp_path_factory.mktemp("packed")))
    pack_records(records, folder, 2)
    return folder


class Line:
    """A line to a server that can be cut: after so many bytes of the next answers, or for good."""

    def __init__(self, server: str):
        self.server = server.removeprefix("http://").split(":")
        self.cuts: list[int] = []
        self.done = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # it is cut already
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listening.accept()
            except OSError:
                return
            far = socket.create_connection(self.server)
            left = self.cuts.pop(0) if self.cuts else WHOLE
            for source, target, most in ((near, far, WHOLE), (far, near, left)):
                threading.Thread(target=self._pass_on, args=(source, target, most), daemon=True).start()

    def _pass_on(self, source, target, left: int) -> None:
        with suppress(OSError):
            while left > 0 and (content := source.recv(min(left, 65536))):
                target.sendall(content)
                left -= len(content)
        self.done += left <= 0
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(bucket, s3_server, monkeypatch):
    line = Line(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", line.address)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield line
    line.close()


def test_shards_are_those_of_a_folder(bucket, records, expected):
    packed = Storage(f"{bucket}/packed")
    assert pack_records(records, packed, 2).written == 3
    assert packed.list_sizes() == expected.list_sizes()
    assert all(packed.read(file) == expected.read(file) for file in SHARDS)
    found = read_records(packed.place)
    assert check_records(found).problems == [] and [one.name for one in found] == [one.name for one in records]
    assert pack_records(records, packed, 2).kept == 3
    packed.remove("000001.tar")
    with pytest.raises(DatasetError, match=r"1 of 3 shards .*000001\.tar: no of"):
        read_records(packed.place)
    packing = pack_records(records, packed, 2)
    assert (packing.written, packing.kept) == (1, 2) and packed.read(SHARDS[1]) == expected.read(SHARDS[1])


def test_cut_connections_are_made_again(line, bucket, records, expected):
    """In the middle of an answer, while shards are written and while they are read."""
    packed = Storage(f"{bucket}/packed")
    line.cuts = [100]
    pack_records(records, packed, 2)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    line.cuts = [WHOLE, 3000, 100]  # the first asks for the size
    assert all(packed.read(file) == expected.read(file) for file in SHARDS)
    assert line.done == 3


def test_packing_ends_with_the_server_and_goes_on_later(line, bucket, s3_server, records, monkeypatch, expected):
    packed, start = Storage(f"{bucket}/packed"), time.monotonic()
    with pytest.raises(StorageError, match=r"000001\.tar: it cannot be reached .*; the same command goes on from here"):
        pack_records(records, packed, 2, lambda done, total: line.close() if done == 1 else None)
    assert time.monotonic() - start < 60
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(DatasetError, match="not packed to its end"):
        read_records(packed.place)
    packing = pack_records(records, packed, 2)
    assert (packing.written, packing.kept) == (2, 1) and packed.list_sizes() == expected.list_sizes()


def test_a_bucket_that_is_not_there_is_not_made(bucket, records):
    with pytest.raises(StorageError, match=r"000000\.tar cannot be written: there is no 'nowhere', and none is made"):
        pack_records(records, Storage("s3://nowhere/packed"))
    assert "nowhere" not in fsspec.filesystem("s3").ls("")
    with pytest.raises(StorageError, match=r"s3://nowhere/packed/shards\.json is not there"):
        read_records("s3://nowhere/packed")


def allow(server: str, actions: int) -> None:
    """So many requests without a look at the credentials."""
    head = {"Content-Type": "text/plain"}
    asked = urllib.request.Request(f"{server}/moto-api/reset-auth", str(actions).encode(), head, method="POST")
    assert json.load(urllib.request.urlopen(asked))["status"] == "ok"


def test_other_credentials(bucket, s3_server, records, monkeypatch):
    packed = Storage(f"{bucket}/packed")
    pack_records(records, packed, 2)
    before = packed.list_sizes()
    for step in (
        lambda: read_records(packed.place),
        lambda: packed.write("x", b""),
        lambda: packed.read("shards.json"),
    ):
        allow(s3_server, 0)
        try:
            with pytest.raises(StorageError, match=r"may not be read or written .*Check the credentials.* clock"):
                step()
        finally:
            allow(s3_server, 10**9)
    assert packed.list_sizes() == before
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(StorageError, match=r"Unable to locate credentials.*network and the credentials"):
        read_records(packed.place)
