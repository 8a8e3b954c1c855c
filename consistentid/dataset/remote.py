"""A training set at an address that fsspec reaches, with a file for each part of a record: read by its list of them."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from ..storage import Storage
from .layout import FOLDERS, JSON_FOLDERS, MERGED, find_name, read_value
from .record import DatasetError, ListedRecord
from .shards import read_index, read_packed

REQUESTS = 16
"""At once, where many small files are read."""


@dataclass(frozen=True, slots=True)
class RemoteRecord(ListedRecord):
    """Each part is a file of its own."""

    def locate(self, part: str) -> str:
        return self.storage.locate(self.find(part)[0])

    def describe(self, part: str) -> list:
        file, _, size = self.find(part)
        return [self.locate(part), size] if file else []

    def open_part(self, part: str) -> BinaryIO | None:
        file = self.find(part)[0]
        return BytesIO(self.storage.read(file)) if file else None


def read_address(place: str) -> list:
    """Records in shards, or those that JSON_all.json lists. DatasetError where it lists none, or files that are not
    there."""
    storage = Storage(place)
    sizes = storage.list_sizes()
    if MERGED not in sizes:
        return read_packed(place)
    entries = read_index(storage, MERGED, list[dict[str, Any]])
    records = [_make_record(storage, entry, sizes) for entry in entries]
    if not records:
        raise DatasetError(f"No records in {storage.locate(MERGED)}. `dataset prepare` makes them.")
    return records


def _make_record(storage: Storage, entry: dict, sizes: dict[str, int]) -> RemoteRecord:
    files = []
    for part in FOLDERS:
        value = read_value(entry, part).replace("\\", "/")
        file = find_name(sizes, part, value) if value else ""
        if file is None or (not file and part in ("image", "mask")):
            raise DatasetError(
                f"{storage.locate(MERGED)} has a record whose {part}, '{value}', is not in the set. Run the same "
                "`dataset prepare` again."
            )
        files += [(part, file, 0, sizes[file])] if file else []
    image = files[0][1]
    name = str(entry.get("origin_IMG") or image.rpartition("/")[2].removesuffix("_resize.png"))
    texts = read_value(entry, "caption").strip(), read_value(entry, "facial_caption").strip()
    return RemoteRecord(name, *texts, storage, tuple(files))


def list_names(sizes: Collection[str]) -> list[str]:
    """Names of the records of a set by its files, sorted."""
    start = f"{JSON_FOLDERS[0]}/"
    return sorted(file[len(start) : -5] for file in sizes if file.startswith(start) and file.endswith(".json"))


def read_entries(storage: Storage, names: Collection[str]) -> list[dict]:
    """The JSON entry of each record."""

    def read(name: str) -> dict:
        return read_index(storage, f"{JSON_FOLDERS[0]}/{name}.json", dict[str, Any])

    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(read, names))
