"""Who is who in a training set: pictures in one folder are of one person, as in ada/1.jpg and ada/2.jpg."""

from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

from .record import StoredRecord
from .shards import PackedRecord


def spread_people(records: Sequence[StoredRecord]) -> list[StoredRecord]:
    """All records, in an order in which nobody comes again before everybody was there; as they are where all pictures
    lie in one folder."""
    people: dict[object, list[StoredRecord]] = {}
    for record in records:
        people.setdefault(_find_folder(record), []).append(record)
    return [record for record in chain.from_iterable(zip_longest(*people.values())) if record]


def _find_folder(record: StoredRecord) -> Path:
    """Of its picture; in shards, of its name."""
    return Path(record.name if isinstance(record, PackedRecord) else record.locate("image")).parent
