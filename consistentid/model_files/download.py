"""Getting a model: only when asked, after its licence was accepted, checked before it gets its name."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..errors import naming_file
from .archive import require_space, unpack
from .aside import run_aside
from .find import PARTIAL, Places, compute_sha256, search_model
from .hub import is_offline, list_snapshot, locate_file, require_source
from .manifest import File, Model, Snapshot
from .records import Records
from .transfer import Address, DownloadError, Watch, WrongContentError, discard, finish, transfer

_COMMIT = f"commit{PARTIAL}"


@dataclass(frozen=True)
class Fetched:
    """A model that is in place. new: whether this call brought it. unstated: files whose hash the manifest lacks."""

    path: Path
    new: bool = False
    unstated: tuple[str, ...] = ()


def get_model(model: Model, models_folder: Path, watch: Watch | None = None, places: Places | None = None) -> Fetched:
    """Download a model into its folder below `models_folder`, unless it is there under any of its names.

    places: where else to look and to put it; what was agreed to and downloaded is kept in `models_folder` all the same.
    Sizes and hashes are checked before the files get their names; an interrupted call leaves `.partial` files, from
    which the next one goes on. A second call for the same model, in any process, waits for the first.
    Raises DownloadError, or DownloadCancelled when `watch` says so.
    """
    watch = watch or Watch()
    places = places or Places.below(model, models_folder)
    records = Records(models_folder)
    with records.lock(model.id, watch.check):
        found = search_model(model, places.folders)
        if found and not list_lacking(model, found, records):
            return Fetched(found)
        _require_permission(model, records)
        target = found or places.target
        with naming_file(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch = _fetch_folder if model.is_folder else _fetch_single
            files = fetch(model, target, watch)
        records.remember(files)
        unstated = tuple(path.name for path in files if not _is_stated(model, path.name))
        return Fetched(target, True, unstated)


def list_lacking(model: Model, path: Path, records: Records) -> list[str]:
    """Files a model's folder should hold and does not. DownloadError for a single file of the wrong size."""
    if model.is_folder:
        known = [path / file.path for file in model.files] or records.list_files(path)
        return [file.name for file in known if not file.is_file()]
    size = model.files[0].size
    if size not in (None, path.stat().st_size):
        raise DownloadError(
            f"{path} has {path.stat().st_size:,} bytes instead of {size:,}. Delete or rename it, then get it again."
        )
    return []


def _require_permission(model: Model, records: Records) -> None:
    if model.is_manual:
        raise DownloadError(f"{model.title} is on a page that only a browser can open. {model.advice}")
    if not records.has_accepted(model):
        raise DownloadError(
            f"{model.title} has the licence '{model.licence}', which was not accepted yet. {model.consequence} "
            "Accept it with --accept-licence."
        )
    if is_offline():
        raise DownloadError(f"HF_HUB_OFFLINE forbids downloads. Unset it, or do it by hand: {model.advice}")


def _fetch_single(model: Model, target: Path, watch: Watch) -> dict[Path, tuple[str, str]]:
    (file,) = model.files
    address = _locate(file, watch)
    partial = target.with_name(target.name + PARTIAL)
    _require_space_for([(address, partial)], target.parent)
    sha256 = _fetch_checked(address, partial, watch)
    finish(partial, target)
    return {target: (sha256, address.url)}


def _fetch_folder(model: Model, target: Path, watch: Watch) -> dict[Path, tuple[str, str]]:
    """Gather the files in a folder of another name; give it the right one when it is whole."""
    gathered = target.with_name(target.name + PARTIAL)
    gathered.mkdir(exist_ok=True)
    if model.archive:
        hashes = _gather_archive(model, model.archive, gathered, watch)
    else:
        hashes = _gather_files(model, target, gathered, watch)
    for path in gathered.rglob("*"):
        if path.is_file() and path.relative_to(gathered).as_posix() not in hashes:
            path.unlink()
    if target.exists():
        for name in hashes:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(gathered / name, target / name)
        shutil.rmtree(gathered)
    else:
        os.replace(gathered, target)
    return {target / name: entry for name, entry in hashes.items()}


def _gather_archive(model: Model, archive: File, gathered: Path, watch: Watch) -> dict[str, tuple[str, str]]:
    address = _locate(archive, watch)
    partial = gathered.parent / (archive.path + PARTIAL)
    _require_space_for([(address, partial)], gathered)
    _fetch_checked(address, partial, watch)
    stated = {file.path: file.sha256 for file in model.files}
    try:
        names = [path.relative_to(gathered).as_posix() for path in unpack(partial, gathered, model.files, watch)]
        hashes = {name: _check_hash(gathered / name, stated.get(name), watch) for name in names}
    except WrongContentError:
        discard(partial)
        shutil.rmtree(gathered)
        raise
    discard(partial)
    return {name: (sha256, address.url) for name, sha256 in hashes.items()}


def _gather_files(model: Model, target: Path, gathered: Path, watch: Watch) -> dict[str, tuple[str, str]]:
    listed = _list_snapshot(model.snapshot, gathered, watch) if model.snapshot else model.files
    files = [file for file in listed if not _is_there(target / file.path, file, watch)]
    plan = [(_locate(file, watch), gathered / file.path) for file in files]
    missing = [(address, path.with_name(path.name + PARTIAL)) for address, path in plan if not path.exists()]
    _require_space_for(missing, gathered)
    hashes = {}
    for address, path in plan:
        partial = path.with_name(path.name + PARTIAL)
        if path.exists():
            sha256 = _check_hash(path, address.sha256, watch)
        else:
            sha256 = _fetch_checked(address, partial, watch)
            finish(partial, path)
        hashes[path.name] = (sha256, address.url)
    return hashes


def _list_snapshot(snapshot: Snapshot, gathered: Path, watch: Watch) -> tuple[File, ...]:
    """The files of one commit, for which the folder is made ready."""
    files = run_aside(lambda: list_snapshot(snapshot), watch.check)
    _keep_commit(require_source(files[0]).revision or snapshot.revision, gathered)
    return files


def _is_there(path: Path, file: File, watch: Watch) -> bool:
    """Whether a file is in place; DownloadError when it is known to be of another version."""
    if not path.is_file():
        return False
    same_size = file.size in (None, path.stat().st_size)
    if not same_size or (file.sha256 and compute_sha256(path, watch.check) != file.sha256):
        raise DownloadError(
            f"{path} is not the file of {require_source(file).address}. Delete or rename {path.parent}, then get it "
            "again."
        )
    return True


def _keep_commit(commit: str, gathered: Path) -> None:
    """Empty a folder that holds files of another commit, or of none that is known."""
    mark = gathered / _COMMIT
    if mark.exists() and mark.read_text(encoding="utf-8") == commit:
        return
    shutil.rmtree(gathered)
    gathered.mkdir()
    mark.write_text(commit, encoding="utf-8")


def _require_space_for(plan: list[tuple[Address, Path]], folder: Path) -> None:
    missing = [(address.size or 0) - (path.stat().st_size if path.exists() else 0) for address, path in plan]
    require_space(folder, sum(max(size, 0) for size in missing))


def _locate(file: File, watch: Watch) -> Address:
    return run_aside(lambda: locate_file(file), watch.check)


def _fetch_checked(address: Address, partial: Path, watch: Watch) -> str:
    transfer(address, partial, watch)
    return _check_hash(partial, address.sha256, watch, address.url)


def _check_hash(path: Path, stated: str | None, watch: Watch, source: str = "") -> str:
    """The file's sha256; a file that differs from the stated one is deleted."""
    sha256 = compute_sha256(path, watch.check)
    if stated not in (None, sha256):
        discard(path)
        raise WrongContentError(
            f"{source or path.name} came with the hash {sha256} instead of {stated}: damaged, or another file. "
            "It was deleted; get it again."
        )
    return sha256


def _is_stated(model: Model, name: str) -> bool:
    return bool(model.archive and model.archive.sha256) or any(
        file.sha256 and file.path == name for file in model.files
    )
