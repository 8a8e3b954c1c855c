"""A download ends within two seconds of being asked to, however slow the other side is."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from consistentid.model_files import background
from consistentid.model_files.background import Downloads
from consistentid.model_files.find import Places
from consistentid.model_files.manifest import read_manifest
from consistentid.model_files.records import Records
from consistentid.model_files.transfer import Address

MODEL = read_manifest()["adapter_sdxl"]
PATIENCE_S = 2
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n"


def silent(connection, over):
    over.wait()


def drip(connection, over):
    while not over.wait(0.05):
        connection.sendall(b"x")


def slow_head(connection, over):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    drip(connection, over)


def slow_body(connection, over):
    connection.sendall(HEAD + b"\r\n")
    drip(connection, over)


def stopped_body(connection, over):
    connection.sendall(HEAD + b"\r\n" + bytes(200_000))
    over.wait()


def slow_circle(connection, over):
    over.wait(0.5)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def busy(connection, over):
    connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


KINDS = {kind.__name__: (kind, "http") for kind in (silent, slow_head, slow_body, stopped_body, slow_circle, busy)}
KINDS |= {"stalled TLS": (silent, "https"), "dripping TLS": (drip, "https")}


@pytest.fixture
def serve(monkeypatch):
    """Starts a server that treats each connection with a function of (connection, over); gives its port and a mark
    that the first one has come."""
    monkeypatch.setenv("NO_PROXY", "*")
    over, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    asked = threading.Event()

    def start(kind):
        def treat(connection):
            with connection, suppress(OSError):
                asked.set()
                connection.recv(65536)
                kind(connection, over)

        def accept():
            with suppress(OSError):
                while True:
                    threading.Thread(target=treat, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1], asked

    yield start
    over.set()
    listener.close()


@pytest.fixture
def fetch(monkeypatch, tmp_path):
    """Starts the download of a model from an address, in the background."""
    downloads = Downloads()

    def start(url):
        Records(tmp_path).accept(MODEL)
        monkeypatch.setitem(background.get_model.__globals__, "locate_file", lambda file: Address(url, 1_000_000))
        downloads.start(MODEL, tmp_path, Places.below(MODEL, tmp_path))
        return downloads

    return start


def assert_ends_at_once(downloads):
    began = time.monotonic()
    downloads.stop(MODEL)
    while MODEL.id in downloads.list():
        assert time.monotonic() - began < PATIENCE_S, "still there"
        time.sleep(0.02)


@pytest.mark.parametrize(("kind", "scheme"), KINDS.values(), ids=KINDS)
def test_a_slow_server(serve, fetch, kind, scheme):
    port, asked = serve(kind)
    downloads = fetch(f"{scheme}://127.0.0.1:{port}/file")
    assert asked.wait(10)
    time.sleep(0.3)
    assert_ends_at_once(downloads)


def test_a_new_start_goes_on_while_the_old_connection_still_waits(serve, fetch):
    port, _ = serve(stopped_body)
    for _ in range(3):
        downloads = fetch(f"http://127.0.0.1:{port}/file")
        time.sleep(0.3)
        assert_ends_at_once(downloads)


def test_a_name_that_is_looked_up_for_long(fetch, monkeypatch):
    asked, over = threading.Event(), threading.Event()

    def getaddrinfo(*_, **__):
        asked.set()
        over.wait()
        raise socket.gaierror("none")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    downloads = fetch("http://models.example/file")
    assert asked.wait(10)
    assert_ends_at_once(downloads)
    over.set()


def test_a_connection_that_is_never_made(fetch):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:  # fill the queue, so that no further connection is answered
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        downloads = fetch(f"http://127.0.0.1:{full.getsockname()[1]}/file")
        time.sleep(0.3)
        assert_ends_at_once(downloads)
        for one in waiting:
            one.close()


@pytest.mark.parametrize("name", ["locate_file", "list_snapshot"])
def test_a_hub_that_does_not_answer(fetch, monkeypatch, tmp_path, name):
    asked, over = threading.Event(), threading.Event()

    def ask(_):
        asked.set()
        over.wait()
        raise OSError

    downloads = Downloads()
    model = MODEL if name == "locate_file" else read_manifest()["captioner"]
    Records(tmp_path).accept(model)
    monkeypatch.setitem(background.get_model.__globals__, name, ask)
    downloads.start(model, tmp_path, Places.below(model, tmp_path))
    assert asked.wait(10)
    downloads.stop(model)
    downloads.list()[model.id].thread.join(PATIENCE_S)
    assert model.id not in downloads.list()
    over.set()
