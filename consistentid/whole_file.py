"""Files that are whole or not there, and never one writer's in place of another's, however many write and stop.

A file is written under a random name beside its own, NAME.….part, and gets its name when it is whole. A killed writer
leaves such a part, which nobody reads and anybody may delete.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from .errors import ConsistentIDError, naming_file

PART = ".part"
_KEPT_LETTERS = 40  # of a name in that of its part, so that no system finds it too long
_LOCK = ".consistentid.lock"
RETRIES, PAUSE_S = 5, 0.1


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Where to write a file that appears, or takes the place of another, only when it is whole; its folder exists."""
    with _make_part(path) as part:
        yield part
        _move(os.replace, part, path)


def create_files(sets: Iterable[Sequence[Path]], writers: Sequence[Callable[[Path], object]]) -> list[Path]:
    """Write new files, one for each writer, and return their paths: the first of `sets` of which none is there.

    Each appears whole, under a name that it alone has taken, and the first of a set is taken first. A writer gets the
    path to write to. FileExistsError where every set is taken; then, and where a writer fails, no file is left.
    """
    sets = iter(sets)
    paths = list(next(sets))
    with ExitStack() as stack:
        parts = [stack.enter_context(_make_part(path)) for path in paths]
        for write, part in zip(writers, parts, strict=True):
            write(part)
        while not _take_names(parts, paths):
            if (following := next(sets, None)) is None:
                raise FileExistsError(f"{paths[0]} is there already")
            paths = list(following)
    return paths


def number_paths(path: Path, separator: str) -> Iterator[Path]:
    """a.png, a-2.png, a-3.png, ... without end, for `create_files`; separator: what stands before the number."""
    yield path
    yield from (path.with_name(f"{path.stem}{separator}{number}{path.suffix}") for number in count(2))


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Be the only run that writes into a folder, which is made if need be; ConsistentIDError while another does.

    The claim ends with its holder, whatever becomes of it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConsistentIDError(
            f"{folder} is being written by another run. Wait for its end, or name another folder."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _make_part(path: Path) -> Iterator[Path]:
    part = _name_part(path)
    try:
        with naming_file(path):
            yield part
    finally:
        part.unlink(missing_ok=True)


def _name_part(path: Path) -> Path:
    """By chance: process numbers are the same in two containers."""
    return path.with_name(f"{path.name[:_KEPT_LETTERS]}.{secrets.token_hex(8)}{PART}")


def _take_names(parts: list[Path], paths: list[Path]) -> bool:
    """Give whole files their names, all or none; whether they were free."""
    taken = 0
    try:
        for part, path in zip(parts, paths, strict=True):
            _take_name(part, path)
            taken += 1
    except BaseException as error:
        for part, path in zip(parts[:taken], paths, strict=False):
            path.replace(part)
        if isinstance(error, FileExistsError):
            return False
        raise
    return True


def _take_name(part: Path, path: Path) -> None:
    """In one step, which fails with FileExistsError where the name is taken."""
    if os.name == "nt":
        _move(os.rename, part, path)  # which replaces nothing on Windows
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, as exFAT: the name first, then the file
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        try:
            part.replace(path)
        except BaseException:
            path.unlink()
            raise
        return
    part.unlink()


def _move(step: Callable[[Path, Path], None], part: Path, path: Path) -> None:
    """os.rename or os.replace; Windows refuses both while another process reads a file, which takes a moment only."""
    for _ in range(RETRIES):
        try:
            return step(part, path)
        except PermissionError:
            time.sleep(PAUSE_S)
    step(part, path)
