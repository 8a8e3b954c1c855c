"""Unpacking a downloaded zip into a folder, and nowhere else."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from .manifest import File
from .paths import PathError, require_safe_path
from .transfer import DownloadError, Watch, WrongContentError

_MOST_EXPANSION = 10  # weights hardly compress
_BLOCK = 1 << 20


def unpack(archive: Path, folder: Path, files: tuple[File, ...], watch: Watch) -> list[Path]:
    """Unpack the listed files, or all when none is listed, into `folder`; returns their paths.

    A folder around everything is left out. WrongContentError for entries that would land elsewhere, links, encrypted or
    damaged entries, listed files that are missing or of another size, and more bytes than fit. Hashes are not checked.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _choose_entries(opened, files, archive)
            _check_room(entries, files, archive, folder)
            return [_extract(opened, entry, folder / path, watch) for path, entry in entries.items()]
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise WrongContentError(f"{archive} is not a sound zip file: {error}. Download it again.") from error


def _choose_entries(opened: zipfile.ZipFile, files: tuple[File, ...], archive: Path) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    seen = set()
    for entry in opened.infolist():
        _check_entry(entry, archive)
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/"):
            if entry.filename.casefold() in seen:
                raise WrongContentError(f"{archive} holds '{entry.filename}' twice. Nothing was unpacked.")
            seen.add(entry.filename.casefold())
            entries[entry.filename] = entry
    tops = {name.partition("/")[0] for name in entries}
    if len(tops) == 1 and all("/" in name for name in entries):
        entries = {name.partition("/")[2]: entry for name, entry in entries.items()}
    missing = [file.path for file in files if file.path not in entries]
    if missing or not entries:
        raise WrongContentError(
            f"{archive} lacks {', '.join(missing) or 'files'}; it has {', '.join(entries) or 'none'}."
        )
    return {file.path: entries[file.path] for file in files} or entries


def _check_entry(entry: zipfile.ZipInfo, archive: Path) -> None:
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    try:
        require_safe_path(name.removesuffix("/"))
    except PathError as error:
        raise WrongContentError(
            f"{archive} was refused: entry '{name}' may land outside the folder, or is no file name on Windows."
        ) from error
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WrongContentError(f"{archive} was refused: entry '{name}' is a link or a device, not a file.")
    if entry.flag_bits & 1:
        raise WrongContentError(f"{archive} was refused: entry '{name}' is encrypted.")


def _check_room(entries: dict[str, zipfile.ZipInfo], files: tuple[File, ...], archive: Path, folder: Path) -> None:
    for file in files:
        if file.size not in (None, entries[file.path].file_size):
            raise WrongContentError(
                f"{archive} was refused: {file.path} has {entries[file.path].file_size:,} bytes, not {file.size:,}."
            )
    total, most = sum(entry.file_size for entry in entries.values()), archive.stat().st_size * _MOST_EXPANSION
    if total > most:
        raise WrongContentError(
            f"{archive} was refused: it unpacks to {total:,} bytes, more than {_MOST_EXPANSION} times."
        )
    require_space(folder, total)


def require_space(folder: Path, size: int) -> None:
    """DownloadError unless `size` more bytes fit on the disk of an existing folder."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DownloadError(f"{size:,} bytes are needed in {folder}, {free:,} are free. Make room and try again.")


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, watch: Watch) -> Path:
    """zipfile itself reads no more than the size that the entry declares, and checks its CRC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(entry) as packed, path.open("wb") as file:
        while block := packed.read(_BLOCK):
            watch.check()
            file.write(block)
    return path
