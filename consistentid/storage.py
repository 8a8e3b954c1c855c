"""Folders wherever fsspec reaches: on this machine, s3://, gs://, hf://, https://, memory://."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import ConsistentIDError, describe_os_error, has_advice
from .packages import needed
from .whole_file import replace_file

_ADDRESS = "://"
BUCKETS = {"s3", "s3a", "gs", "gcs"}
"""Protocols whose addresses begin with a bucket; they have no folders."""


class StorageError(ConsistentIDError):
    """A place that cannot be reached, read or written."""


def is_address(place: str | Path) -> bool:
    """Whether a place is one of fsspec's, and no path of this machine."""
    return _ADDRESS in str(place)


@dataclass(frozen=True)
class Storage:
    """A folder. place: a path or an address. Names are relative, with / between folders. Errors are StorageErrors that
    name the file, and what to do."""

    place: str

    def locate(self, name: str) -> str:
        return f"{self.place.rstrip('/')}/{name}"

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """A file, or its bytes from start to before end, of which fewer come where the file is shorter."""
        with self._reaching(name) as (files, root):
            return files.cat_file(f"{root}/{name}", start=start, end=end)

    def list_sizes(self) -> dict[str, int]:
        """{name: bytes} of all files below the folder, sorted; none where there is no such folder."""
        with self._reaching("") as (files, root):
            try:
                found = files.find(root, detail=True)
            except FileNotFoundError:
                return {}
            names = {path.replace(os.sep, "/"): facts["size"] for path, facts in found.items()}
            start = f"{root.replace(os.sep, '/')}/"
            return {path.removeprefix(start): size or 0 for path, size in sorted(names.items())}

    def exists(self, name: str) -> bool:
        with self._reaching(name) as (files, root):
            return files.exists(f"{root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        with self.create(name) as part:
            part.write_bytes(content)

    @contextmanager
    def create(self, name: str) -> Iterator[Path]:
        """Where on this machine to write a file, which is in the storage once it is whole."""
        if not is_address(self.place):
            path = Path(self.place) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(path) as part:
                yield part
            return
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "part"
            yield part
            with self._reaching(name) as (files, root):
                try:
                    files.put_file(str(part), f"{root}/{name}")
                except FileNotFoundError as error:  # object storage has no folders: there the bucket is missing
                    bucket = root.partition("/")[0]
                    if BUCKETS.intersection(list_protocols(files)) and not files.exists(bucket):
                        raise StorageError(
                            f"{self.locate(name)} cannot be written: there is no '{bucket}', and none is made here. "
                            "Make it, or correct the address."
                        ) from error
                    files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
                    files.put_file(str(part), f"{root}/{name}")

    def remove(self, name: str) -> None:
        """A file that may be missing."""
        with self._reaching(name) as (files, root):
            if files.exists(f"{root}/{name}"):
                files.rm_file(f"{root}/{name}")

    @contextmanager
    def _reaching(self, name: str):
        """fsspec's file system and the folder in it; opened anew, since fsspec keeps one for each process."""
        where = self.locate(name) if name else self.place
        try:
            with needed("fsspec", "Reading sets of records"):
                from fsspec.core import url_to_fs
            files, root = url_to_fs(self.place)
            yield files, root.rstrip("/\\")
        except (ConsistentIDError, FileNotFoundError) as error:
            if isinstance(error, ConsistentIDError):
                raise
            raise StorageError(f"{where} is not there.") from error
        except Exception as error:
            raise StorageError(f"{where}: {_explain(error)}") from error


def _explain(error: Exception) -> str:
    """What failed and what to do. fsspec's file systems raise what the libraries below them do."""
    if isinstance(error, ImportError):
        return f"the package for this kind of address is missing ({error})."
    if isinstance(error, PermissionError) and error.errno is None:  # of a server, not of this machine
        return (
            f"it may not be read or written ({error}). Check the credentials, which that package documents, and this "
            "machine's clock, whose time they are signed with."
        )
    if isinstance(error, OSError) and has_advice(error):
        return describe_os_error(OSError(error.errno, error.strerror))
    text = str(error).strip().partition("\n")[0]
    return (
        f"it cannot be reached ({type(error).__name__}: {text or 'no details'}). Check the address, the network and "
        "the credentials; the same command goes on from here."
    )


def list_protocols(files) -> tuple[str, ...]:
    """Of a file system of fsspec, which names one or several."""
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
