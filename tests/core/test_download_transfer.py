"""One address to one file, past everything that servers and networks do."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from consistentid.model_files import transfer as module
from consistentid.model_files.transfer import Address, DownloadError, Watch, discard, finish, transfer
from consistentid.model_files.watch import DownloadCancelled

spec = importlib.util.spec_from_file_location("file_server", Path(__file__).with_name("file_server.py"))
file_server = sys.modules["file_server"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(file_server)
Served, answer, corrupt, cut, ignore_range = (
    getattr(file_server, name) for name in ("Served", "answer", "corrupt", "cut", "ignore_range")
)

CONTENT = bytes(range(256)) * 40_000  # 10 MB, so that several blocks come
SIZE = len(CONTENT)
HALF = 80 << 16  # whole blocks


@pytest.fixture
def files(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with file_server.serve() as files:
        files["/file"] = Served(CONTENT)
        yield files


@pytest.fixture
def partial(tmp_path):
    return tmp_path / "file.bin.partial"


def fetch(files, partial, size=SIZE, sha256=None, watch=None):
    transfer(Address(f"{files.url}/file", size, sha256), partial, watch or Watch())
    return partial.read_bytes()


def test_progress_goes_from_first_to_last_byte(files, partial, tmp_path):
    seen = []
    assert fetch(files, partial, None, watch=Watch(report=seen.append)) == CONTENT
    assert {(step.file, step.total) for step in seen} == {("file.bin", SIZE)}
    done = [step.done for step in seen]
    assert len(done) > 5 and done == sorted(done) and done[-1] == len(CONTENT)
    finish(partial, tmp_path / "file.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_cut_connections_go_on_where_they_stopped(files, partial):
    files["/file"].faults = [cut(HALF), cut(1 << 16)]
    assert fetch(files, partial) == CONTENT
    assert files.ranges("/file") == [None, f"bytes={HALF}-", f"bytes={HALF + (1 << 16)}-"]


def test_no_progress_is_an_error_that_keeps_the_part(files, partial):
    files["/file"].faults = [cut(HALF)] + [cut(0)] * 20
    with pytest.raises(DownloadError, match=r"5,242,880 bytes, 6 times.*is kept"):
        fetch(files, partial)
    assert partial.read_bytes() == CONTENT[:HALF]
    files["/file"].faults = []
    assert fetch(files, partial) == CONTENT


def test_a_server_that_ignores_ranges_sends_all_again(files, partial):
    files["/file"].faults = [cut(HALF), ignore_range]
    assert fetch(files, partial) == CONTENT


def test_a_changed_file_is_not_glued_to_the_old_part(files, partial):
    files["/file"].faults = [cut(HALF)] + [answer(503)] * 6
    with pytest.raises(DownloadError, match="503"):
        fetch(files, partial)
    files["/file"] = Served(CONTENT[::-1], etag='"v2"')
    assert fetch(files, partial) == CONTENT[::-1]


def test_an_old_part_is_gone_before_the_new_version_is_noted(files, partial, monkeypatch):
    """Stopped in between, the old part would be continued as one of the new version."""
    files["/file"].faults = [cut(HALF)] + [answer(503)] * 6
    with pytest.raises(DownloadError, match="503"):
        fetch(files, partial)
    files["/file"] = Served(CONTENT[::-1], etag='"v2"')
    opened = Path.open

    def stop(path, mode="r", *rest, **named):
        if path == partial and mode == "wb":
            raise KeyboardInterrupt
        return opened(path, mode, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch(files, partial)
    assert fetch(files, partial) == CONTENT[::-1]


def test_an_answer_of_another_size_leaves_the_part(files, partial):
    files["/file"].faults = [cut(HALF), answer(200, b"not the file")]
    with pytest.raises(DownloadError, match="12 bytes instead of"):
        fetch(files, partial)
    assert partial.read_bytes() == CONTENT[:HALF]


def test_a_server_that_ignores_the_condition_is_noticed(files, partial):
    def go_on(handler, served):
        range = {"ETag": '"v2"', "Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}"}
        handler.send(206, CONTENT[::-1][HALF:], range)

    files["/file"].faults = [cut(HALF), go_on]
    assert fetch(files, partial) == CONTENT
    assert files.ranges("/file") == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_a_part_that_nothing_identifies_is_not_continued(files, partial, etag):
    partial.write_bytes(b"of another file")
    files["/file"].etag = etag
    assert fetch(files, partial) == CONTENT
    assert files.ranges("/file") == [None]


def test_a_known_hash_is_enough_to_continue(files, partial):
    partial.write_bytes(CONTENT[:HALF])
    assert fetch(files, partial, sha256=files["/file"].sha256) == CONTENT
    assert files.ranges("/file") == [f"bytes={HALF}-"]


def test_a_complete_part_asks_nothing(files, partial):
    partial.write_bytes(CONTENT)
    assert fetch(files, partial, sha256=files["/file"].sha256) == CONTENT
    assert files.asked == []


def test_a_complete_part_of_unknown_size_is_confirmed_by_416(files, partial):
    partial.write_bytes(CONTENT)
    assert fetch(files, partial, None, files["/file"].sha256) == CONTENT
    assert files.ranges("/file") == [f"bytes={SIZE}-"]


def test_a_part_longer_than_the_file_starts_again(files, partial):
    partial.write_bytes(CONTENT + b"more")
    assert fetch(files, partial, None, files["/file"].sha256) == CONTENT
    assert files.ranges("/file") == [f"bytes={SIZE + 4}-", None]


def test_a_range_that_was_not_asked_for_is_not_used(files, partial):
    files["/file"].faults = [cut(HALF), answer(206, b"xyz", Content_Range="bytes 0-2/3")]
    assert fetch(files, partial) == CONTENT


@pytest.mark.parametrize("stated", [HALF, 2 * SIZE])
def test_another_size_than_the_known_one_is_refused_at_once(files, partial, stated):
    with pytest.raises(DownloadError, match=rf"{SIZE:,} bytes instead of {stated:,}"):
        fetch(files, partial, stated)
    assert not partial.exists() and len(files.asked) == 1


def test_a_server_that_promises_more_than_it_sends_is_an_error(files, partial):
    short = answer(200, CONTENT[: 1 << 16], Content_Length=str(SIZE), Connection="close")
    files["/file"].faults = [short] * 10

    with pytest.raises(DownloadError, match="stopped at 65,536 bytes"):
        fetch(files, partial)


def test_an_endless_answer_is_stopped(files, partial):
    def pour(handler, served):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(bytes(1 << 20))
        except OSError:
            pass

    files["/file"].faults = [pour]
    with pytest.raises(DownloadError, match="sends more than"):
        fetch(files, partial)
    assert not partial.exists()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_busy_server_is_asked_again(files, partial, status):
    files["/file"].faults = [answer(status), answer(status)]
    assert fetch(files, partial) == CONTENT


@pytest.mark.parametrize(("status", "part"), [(404, "may have moved"), (401, "not open to you"), (403, "not open")])
def test_a_refusal_is_told_at_once(files, partial, status, part):
    files["/file"].faults = [answer(status)]
    with pytest.raises(DownloadError, match=rf"{status}.*{part}|{part}.*{status}"):
        fetch(files, partial)
    assert len(files.asked) == 1 and not partial.exists()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_not_taken_for_the_file(files, partial, kind):
    files["/file"].faults = [answer(200, b"\n<!DOCTYPE html><p>Log in", Content_Type=kind)]
    with pytest.raises(DownloadError, match="web page"):
        fetch(files, partial, None)
    assert list(partial.parent.iterdir()) == []


def test_redirects_are_followed_with_the_range(files, partial):
    files["/moved"] = Served(CONTENT, faults=[cut(HALF)])
    files["/file"].faults = [answer(302, Location=f"{files.url}/moved")] * 2
    assert fetch(files, partial) == CONTENT
    assert files.ranges("/moved") == [None, f"bytes={HALF}-"]


def test_the_proxy_of_the_environment_is_used(files, partial, monkeypatch):
    files["http://models.example/file"] = Served(b"through the proxy")
    monkeypatch.setenv("HTTP_PROXY", files.url)
    monkeypatch.setenv("http_proxy", files.url)
    transfer(Address("http://models.example/file"), partial, Watch())
    assert partial.read_bytes() == b"through the proxy"


def test_cancelling_keeps_a_part_that_goes_on(files, partial):
    seen = []
    with pytest.raises(DownloadCancelled, match="go on"):
        fetch(files, partial, watch=Watch(seen.append, lambda: len(seen) == 3))
    assert partial.read_bytes() == CONTENT[: seen[-1].done] and 0 < seen[-1].done < len(CONTENT)
    assert fetch(files, partial) == CONTENT
    assert files.ranges("/file")[1] == f"bytes={seen[-1].done}-"


def test_discarding_leaves_nothing(files, partial):
    files["/file"].faults = [cut(HALF)] + [cut(0)] * 20
    with pytest.raises(DownloadError):
        fetch(files, partial)
    discard(partial)
    assert list(partial.parent.iterdir()) == []


def test_no_server_at_all(partial, monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0)
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9/file stopped at 0 bytes"):
        transfer(Address("http://127.0.0.1:9/file"), partial, Watch())


@pytest.mark.parametrize(
    ("place", "advice"),
    [("file:///etc/hostname", "no address"), ("/file", "in circles"), ("ftp://127.0.0.1/x", "no address")],
)
def test_a_redirect_to_nowhere_is_told_at_once(files, partial, place, advice):
    files["/file"].faults = [answer(302, Location=place)] * 40
    with pytest.raises(DownloadError, match=advice):
        fetch(files, partial)
    assert len(files.asked) == (31 if place == "/file" else 1) and not partial.exists()


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "x"])
def test_a_length_that_is_no_number_is_not_taken_for_one(length):
    response = SimpleNamespace(headers={"Content-Length": length})
    assert module._read_total(response, Address("https://e.x/file"), 0) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_told_with_the_file_and_what_to_do(tmp_path):
    from consistentid.errors import describe_os_error, naming_file

    with pytest.raises(OSError) as caught, naming_file(tmp_path / "x.bin"), open("/dev/full", "wb", 0) as full:
        full.write(b"x")
    text = describe_os_error(caught.value)
    assert text.startswith(f"{tmp_path / 'x.bin'}: No space left") and "make room" in text
