"""Records in shards: tar files as WebDataset has them, and where in them each record lies.

    shards.json            the shards in their order; written last, so that a set is whole or none
    000000.tar             1000 records, one after the other: KEY.image.png, KEY.mask.png, KEY.embedding.pth, KEY.json
    000000.json            where each record of the shard lies, its captions and its hash

Any program that knows WebDataset reads the tar files in a stream. Training reads a record by one request for its bytes,
so every order costs the same, and shards train as the folder they were made from.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Annotated, BinaryIO, TypeVar

from pydantic import BaseModel, Field, ValidationError

from ..checked import STRICT, check, describe, parse_json
from ..storage import Storage
from .record import DatasetError, ListedRecord

INDEX, FIRST = "shards.json", "000000.tar"
FORMAT, VERSION = "consistentid-shards", 1
SHOWN = 5
T = TypeVar("T")
_Bytes = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A file of a record: its name in the shard, and where its bytes are, counted from the record's first."""

    model_config = STRICT

    file: str
    start: _Bytes
    size: _Bytes


class Entry(BaseModel):
    """A record in a shard. start, size: of all its bytes, headers included, of which sha256 is made."""

    model_config = STRICT

    name: str
    caption: str
    facial_caption: str
    start: _Bytes
    size: _Bytes
    sha256: str
    parts: dict[str, Part]


class ShardIndex(BaseModel):
    """made_of: digest of what was packed. size: bytes of the shard."""

    model_config = STRICT

    made_of: str
    size: _Bytes
    records: list[Entry]


class Shard(BaseModel):
    model_config = STRICT

    file: str
    index: str
    size: _Bytes
    records: _Bytes


class SetIndex(BaseModel):
    model_config = STRICT

    format: str
    version: int
    shards: list[Shard]


@dataclass(frozen=True, slots=True)
class PackedRecord(ListedRecord):
    """A record in a shard; its bytes are read when a part is, and compared with their hash."""

    shard: str
    start: int
    size: int
    sha256: str

    def locate(self, part: str) -> str:
        return self.storage.locate(f"{self.shard}/{self.find(part)[0]}")

    def describe(self, part: str) -> list:
        return [part, self.sha256] if self.find(part)[0] else []

    def open_part(self, part: str) -> BinaryIO | None:
        file, start, size = self.find(part)
        if not file:
            return None
        content = _read_bytes(self.storage, self.shard, self.start, self.size)
        if sha256(content).hexdigest() != self.sha256:
            raise DatasetError(
                f"{self.storage.locate(self.shard)} is damaged: record {self.name} is not what was packed. Copy the "
                "shard again, or delete it and run the same `dataset pack`."
            )
        return BytesIO(content[start : start + size])


@lru_cache(maxsize=2)
def _read_bytes(storage: Storage, shard: str, start: int, size: int) -> bytes:
    """Of one record, whose parts are read one after the other."""
    return storage.read(shard, start, start + size)


def read_packed(place: str) -> list[PackedRecord]:
    """The records of a set in shards, in the order they were packed in; none of their pictures is read.

    DatasetError for a set that was not packed to its end, or whose shards are missing or cut.
    """
    storage = Storage(place)
    sizes = storage.list_sizes()
    if sizes and INDEX not in sizes:
        begun = any(name.endswith(".tar") for name in sizes)
        raise DatasetError(
            f"{place} {'was not packed to its end' if begun else 'holds no records in shards'}: {INDEX} is missing. "
            "`dataset pack SET OUT` makes it, and goes on where it was stopped."
        )
    index = read_index(storage, INDEX, SetIndex)
    if (index.format, index.version) != (FORMAT, VERSION):
        raise DatasetError(f"{storage.locate(INDEX)} is of another program, or of another version of this one.")
    wrong = [shard for shard in index.shards if sizes and sizes.get(shard.file) != shard.size]
    if wrong:
        found = [f"{one.file}: {sizes.get(one.file, 'no')} of {one.size} bytes" for one in wrong[:SHOWN]]
        raise DatasetError(
            f"{len(wrong)} of {len(index.shards)} shards of {place} are not whole: {', '.join(found)}. Copy them "
            "again, or run the same `dataset pack`, which goes on."
        )
    return [record for shard in index.shards for record in _list_records(storage, shard)]


def _list_records(storage: Storage, shard: Shard) -> list[PackedRecord]:
    entries = read_index(storage, shard.index, ShardIndex).records
    if len(entries) != shard.records:
        raise DatasetError(
            f"{storage.locate(shard.index)} has {len(entries)} records, {INDEX} says {shard.records}. Run the same "
            "`dataset pack` again."
        )
    return [_make_record(storage, shard.file, entry) for entry in entries]


def _make_record(storage: Storage, shard: str, entry: Entry) -> PackedRecord:
    files = tuple((part, place.file, place.start, place.size) for part, place in entry.parts.items())
    texts = entry.name, entry.caption, entry.facial_caption
    return PackedRecord(*texts, storage, files, shard, entry.start, entry.size, entry.sha256)


def read_index(storage: Storage, name: str, kind: type[T]) -> T:
    """DatasetError for a file that is not of this kind."""
    return decode_json(storage.read(name), storage.locate(name), kind)


def decode_json(content: bytes, file: str, kind: type[T]) -> T:
    """DatasetError that names the file where this is no JSON, or nothing of this kind."""
    try:
        return check(kind, parse_json(content.decode("utf-8")))
    except ValidationError as error:
        raise DatasetError(f"{file} is not what it should be: {describe(error)}.") from error
    except ValueError as error:
        raise DatasetError(f"{file} cannot be read as JSON ({error}).") from error
