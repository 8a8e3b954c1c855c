"""What was agreed to and what was downloaded: one JSON file in the models folder.

Where the manifest states no hash, the hash of the first download is kept and later checks use it (trust on first use).
"""

import json
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from ..checked import parse_json
from ..errors import ConsistentIDError
from ..whole_file import replace_file
from .manifest import Model

WAIT_S = 0.5  # for a lock, between two checks


class Records:
    """{"licences": {model id: {licence, accepted}}, "files": {path: {sha256, size, source, downloaded}}}.

    Times are ISO 8601 in UTC; paths are below the models folder, with forward slashes. Safe for several processes.
    """

    def __init__(self, models_folder: Path):
        self.models_folder = models_folder
        self.path = models_folder / "consistentid" / "downloads.json"

    def has_accepted(self, model: Model) -> bool:
        """Whether this licence text was agreed to; a changed one has to be agreed to again."""
        return self._read()["licences"].get(model.id, {}).get("licence") == _join_licence(model)

    def accept(self, model: Model) -> None:
        with self._change() as content:
            content["licences"][model.id] = {"licence": _join_licence(model), "accepted": _tell_time()}

    def get_sha256(self, path: Path) -> str | None:
        """The hash of a file as it was downloaded."""
        return self._read()["files"].get(self._name(path), {}).get("sha256")

    def list_files(self, folder: Path) -> list[Path]:
        """Recorded files inside a folder."""
        start = f"{self._name(folder)}/"
        return [self.models_folder / name for name in self._read()["files"] if name.startswith(start)]

    def remember(self, files: dict[Path, tuple[str, str]]) -> None:
        """Keep {path: (sha256, source)} of files that are in place."""
        with self._change() as content:
            for path, (sha256, source) in files.items():
                entry = {"sha256": sha256, "size": path.stat().st_size, "source": source, "downloaded": _tell_time()}
                content["files"][self._name(path)] = entry

    @contextmanager
    def lock(self, name: str, check: Callable[[], None] = lambda: None):
        """A lock between processes; released by the system when its holder dies.

        `check` is called while another holds it, and may raise to stop waiting.
        """
        from filelock import FileLock, Timeout

        folder = self.path.parent / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        while not lock.is_locked:
            try:
                lock.acquire(timeout=WAIT_S)
            except Timeout:
                check()
        try:
            yield
        finally:
            lock.release()

    def _name(self, path: Path) -> str:
        try:
            return path.relative_to(self.models_folder).as_posix()
        except ValueError:
            return path.as_posix()

    def _read(self) -> dict:
        if not self.path.exists():
            return {"licences": {}, "files": {}}
        try:
            content = parse_json(self.path.read_text(encoding="utf-8"))
            parts = {part: dict(content[part]) for part in ("licences", "files")}
            for name, entry in (item for part in parts.values() for item in part.items()):
                if not isinstance(entry, dict):
                    raise TypeError(f"'{name}' is {entry!r}")
            return parts
        except (ValueError, KeyError, TypeError) as error:
            raise ConsistentIDError(
                f"{self.path} is damaged ({error}). Delete it: licences are then asked for again, and files whose "
                "hash nobody states can no longer be compared with their first download."
            ) from error

    @contextmanager
    def _change(self):
        with self.lock("downloads"):
            content = self._read()
            yield content
            with replace_file(self.path) as part:
                part.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _join_licence(model: Model) -> str:
    return f"{model.licence}. {model.consequence}"


def _tell_time() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
