"""Who is who in a training set: pictures in one folder are of one person, as in ada/1.jpg and ada/2.jpg."""

from collections.abc import Sequence
from itertools import chain, zip_longest

from .records import Record


def spread_people(records: Sequence[Record]) -> list[Record]:
    """All records, in an order in which nobody comes again before everybody was there; as they are where all pictures
    lie in one folder."""
    people: dict[object, list[Record]] = {}
    for record in records:
        people.setdefault(record.image.parent, []).append(record)
    return [record for record in chain.from_iterable(zip_longest(*people.values())) if record]
