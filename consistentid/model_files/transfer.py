"""One address to one file: streamed, resumed where it stopped, never longer than it should be.

Written here because no library that comes with ComfyUI does all of it: pooch starts again after a cut, and
huggingface_hub's resuming download serves its own repositories only, with a progress hook that differs by version.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..packages import needed
from .aside import POLL_S, Aside
from .network import describe_failure, is_outage
from .watch import DownloadError, Progress, Watch

RETRIES = 5
PAUSE_S = 1.0
TIMEOUT_S = (10, 60)  # to connect, between two pieces
_BLOCK = 1 << 16  # what a cut may cost: requests drops an incomplete block
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_PAGES = (b"<!doctype html", b"<html", b"version https://git-lfs")


class WrongContentError(DownloadError):
    """What came is whole, but damaged, not the known file, or not to be trusted; it is deleted."""


class _Cut(Exception):
    """The connection ended early, or the server is busy: worth another try."""


@dataclass(frozen=True)
class Address:
    """A URL, what is known of its content (size in bytes), and headers to send along."""

    url: str
    size: int | None = None
    sha256: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def transfer(address: Address, partial: Path, watch: Watch) -> None:
    """Complete `partial`, which may hold the start of the file. Its content is not checked here, only its length.

    Goes on after cut connections as long as they bring something new. Raises DownloadError; the part is kept unless
    it is of no use. Proxies are those of the environment.
    """
    failures, best = 0, 0
    while True:
        try:
            _try_once(address, partial, watch)
            return
        except _Cut as cut:
            size = _measure(partial)
            failures, best = (0, size) if size > best else (failures + 1, best)
            if failures > RETRIES:
                raise DownloadError(
                    f"{address.url} stopped at {size:,} bytes, {failures} times: {cut}. Try again later"
                    + (f"; {partial} is kept and goes on from there." if size else ".")
                ) from cut
            _pause(PAUSE_S * failures, watch)
        except DownloadError:
            if not _measure(partial):
                discard(partial)
            raise


def discard(partial: Path) -> None:
    """Remove an unfinished file."""
    partial.unlink(missing_ok=True)
    _tag_file(partial).unlink(missing_ok=True)


def finish(partial: Path, target: Path) -> None:
    """Give a complete file its name, at once; an older file of that name is replaced."""
    with partial.open("r+b") as file:
        os.fsync(file.fileno())
    os.replace(partial, target)
    _tag_file(partial).unlink(missing_ok=True)


def _try_once(address: Address, partial: Path, watch: Watch) -> None:
    with needed("requests", "Downloading models"):
        import requests
    start = _measure(partial)
    tag = _read_tag(partial)
    if start and (not (tag or address.sha256) or (address.size is not None and start > address.size)):
        discard(partial)
        start = 0
    if start and start == address.size:
        return
    headers = {**dict(address.headers), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag:
            headers["If-Range"] = tag
    try:
        with Aside(watch.check) as aside:
            response = aside.run(lambda: requests.get(address.url, headers=headers, stream=True, timeout=TIMEOUT_S))
            try:
                _receive(response, address, partial, start, watch, aside)
            finally:
                _close(response, aside)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise DownloadError(f"{address.url} is no address of a file, or leads to none: {error}") from error
    except requests.exceptions.TooManyRedirects as error:
        raise DownloadError(f"{address.url} leads round in circles: {error}") from error
    except requests.RequestException as error:
        if is_outage(error) and not start:
            raise DownloadError(f"{address.url} is not available: {describe_failure(error)}.") from error
        raise _Cut(describe_failure(error)) from error


def _close(response, aside: Aside) -> None:
    """Let go of a connection; one that is being read would make the caller wait, and is cut instead."""
    if aside.is_busy and hasattr(response.raw, "shutdown"):
        with suppress(Exception):  # it may have ended just now
            response.raw.shutdown()
    aside.leave(response.close)


def _pause(seconds: float, watch: Watch) -> None:
    end = time.monotonic() + seconds
    watch.check()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, POLL_S))
        watch.check()


def _receive(response, address: Address, partial: Path, start: int, watch: Watch, aside: Aside) -> None:
    if response.status_code == 416:
        if response.headers.get("Content-Range") == f"bytes */{start}":
            return
        discard(partial)
        raise _Cut("the server has less than what came before")
    _check_status(response, address)
    begin = _choose_begin(response, partial, start)
    total = _read_total(response, address, begin)
    if not begin:
        discard(partial)
    tag = response.headers.get("ETag", "")
    _tag_file(partial).write_text("" if tag.startswith("W/") else tag, encoding="utf-8")
    done = begin
    with partial.open("ab" if begin else "wb") as file:
        blocks = response.iter_content(_BLOCK)
        while block := aside.run(lambda: next(blocks, b"")):
            if done == 0 and block.lstrip().lower().startswith(_PAGES):
                raise _not_a_file(address.url)
            done += len(block)
            if total is not None and done > total:
                break
            file.write(block)
            watch.report(Progress(partial.stem, done, total))
    if total is not None and done > total:
        discard(partial)
        raise DownloadError(f"{address.url} sends more than the {total:,} bytes it should have.")
    if total is not None and done < total:
        raise _Cut(f"{done:,} of {total:,} bytes came")


def _choose_begin(response, partial: Path, start: int) -> int:
    """The byte at which the answer begins. _Cut, without the part, when it continues another one."""
    sent, tag = response.headers.get("Content-Range", ""), response.headers.get("ETag", "")
    if response.status_code != 206:
        return 0
    if not sent.startswith(f"bytes {start}-") or (tag and _read_tag(partial) not in ("", tag)):
        discard(partial)
        raise _Cut(f"asked from byte {start}, the server sent '{sent}', version {tag or 'unknown'}")
    return start


def _check_status(response, address: Address) -> None:
    status = response.status_code
    if status in _PASSING:
        raise _Cut(f"the server answered {status} {response.reason}")
    if status in (401, 403):
        raise DownloadError(
            f"{address.url} is not open to you ({status}). Open it in a browser to see what it asks for."
        )
    if status not in (200, 206):
        raise DownloadError(f"{address.url}: the server answered {status} {response.reason}. The file may have moved.")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise _not_a_file(address.url)


def _read_total(response, address: Address, begin: int) -> int | None:
    """Bytes of the whole file; DownloadError when the server states another size than expected."""
    length = response.headers.get("Content-Length", "")
    stated = begin + int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
    if None not in (stated, address.size) and stated != address.size:
        raise DownloadError(
            f"{address.url} has {stated:,} bytes instead of {address.size:,}: it is another file than the one known."
        )
    return stated if address.size is None else address.size


def _not_a_file(url: str) -> DownloadError:
    return DownloadError(f"{url} gave a web page instead of the file. Is there a login page or a filter in between?")


def _measure(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _read_tag(partial: Path) -> str:
    return _tag_file(partial).read_text(encoding="utf-8") if _tag_file(partial).exists() else ""


def _tag_file(partial: Path) -> Path:
    """Holds the server's mark of the version that a part belongs to."""
    return partial.with_name(f"{partial.name}.etag{partial.suffix}")
