"""A training set -> shards (see shards.py): written once, the same bytes for the same records."""

import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath

from ..fingerprint import hash_record
from ..storage import Storage
from .record import TWICE, DatasetError, StoredRecord, find_twice, require_captions
from .shards import FORMAT, INDEX, VERSION, Entry, Part, SetIndex, Shard, ShardIndex, read_index

PARTS = ("image", "mask", "embedding")
SUFFIXES = {"mask": ".png", "embedding": ".pth"}
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Packing:
    """Shards written now, and there before; bytes of all of them."""

    written: int
    kept: int
    size: int


def pack_records(
    records: Sequence[StoredRecord],
    out: Storage,
    per_shard: int = 1000,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Packing:
    """Write records into shards of `per_shard` each, in their order. Files are copied as they are.

    Shards that are there and made of the same files are kept, so a run that was stopped goes on; the index of the set
    comes last. watch is called with (done, total) shards. DatasetError for records without captions or that cannot be
    read; StorageError where `out` cannot be written.
    """
    if per_shard < 1:
        raise DatasetError(f"{per_shard} records in a shard are none; name a number from 1.")
    require_captions(records)
    if twice := find_twice(records):
        raise DatasetError(f"{len(twice)} records are there twice, the first of them {twice[0].name}. {TWICE}")
    sizes, written = out.list_sizes(), 0
    shards, total = [], -(-len(records) // per_shard)
    watch(0, total)
    for number in range(total):
        part = records[number * per_shard : (number + 1) * per_shard]
        file, name = f"{number:06d}.tar", f"{number:06d}.json"
        made_of = _describe(part)
        index = _find_whole(out, file, name, made_of, sizes)
        if index is None:
            if INDEX in sizes:  # what it says holds no longer
                out.remove(INDEX)
            index = _write_shard(out, file, part, number * per_shard, made_of)
            out.write(name, index.model_dump_json().encode())
            written += 1
        shards.append(Shard(file=file, index=name, size=index.size, records=len(part)))
        watch(number + 1, total)
    out.write(INDEX, SetIndex(format=FORMAT, version=VERSION, shards=shards).model_dump_json(indent=1).encode())
    return Packing(written, total - written, sum(shard.size for shard in shards))


def _describe(records: Sequence[StoredRecord]) -> str:
    made_of = [[record.name, record.caption, record.facial_caption, *map(record.describe, PARTS)] for record in records]
    return hash_record([VERSION, made_of])


def _find_whole(out: Storage, file: str, name: str, made_of: str, sizes: dict[str, int]) -> ShardIndex | None:
    """The index of a shard that is there and made of the same; None where it is to be written."""
    if name not in sizes:
        return None
    try:
        index = read_index(out, name, ShardIndex)
    except DatasetError:
        return None
    return index if index.made_of == made_of and sizes.get(file) == index.size else None


def _write_shard(out: Storage, file: str, records: Sequence[StoredRecord], first: int, made_of: str) -> ShardIndex:
    with out.create(file) as path:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            places = [_add_record(tar, record, f"{first + number:08d}") for number, record in enumerate(records)]
        entries = []
        with path.open("rb") as shard:
            for record, (start, end, parts) in zip(records, places, strict=True):
                shard.seek(start)
                texts = {"caption": record.caption, "facial_caption": record.facial_caption}
                digest = sha256(shard.read(end - start)).hexdigest()
                size = end - start
                entries.append(Entry(name=record.name, start=start, size=size, sha256=digest, parts=parts, **texts))
        return ShardIndex(made_of=made_of, size=path.stat().st_size, records=entries)


def _add_record(tar: tarfile.TarFile, record: StoredRecord, key: str) -> tuple[int, int, dict[str, Part]]:
    """Where the record begins and ends in the shard, and its parts."""
    start, parts = tar.offset, {}
    for part in PARTS:
        content = _read_part(record, part)
        if content is not None:
            suffix = SUFFIXES.get(part) or PurePosixPath(Path(record.locate(part)).name).suffix.lower()
            file = f"{key}.{part}{suffix}"
            parts[part] = Part(file=file, start=tar.offset + BLOCK - start, size=len(content))
            _add_file(tar, file, content)
    texts = {"name": record.name, "caption": record.caption, "facial_caption": record.facial_caption}
    _add_file(tar, f"{key}.json", json.dumps(texts, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    return start, tar.offset, parts


def _add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Without time and owner, so that the same records give the same bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, BytesIO(content))


def _read_part(record: StoredRecord, part: str) -> bytes | None:
    try:
        stream = record.open_part(part)
        if stream is None:
            return None
        with stream:
            return stream.read()
    except OSError as error:
        raise DatasetError(
            f"{record.locate(part)} cannot be read ({error}). `dataset check` names all such."
        ) from error
