"""Records as training reads them, from files, from shards, and from both at an address: CPU time, bytes, opens."""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np

from consistentid.dataset.pack import pack_records
from consistentid.dataset.record import StoredRecord
from consistentid.dataset.records import read_records
from consistentid.dataset.remote import REQUESTS
from consistentid.storage import Storage
from consistentid.training.samples import read_sample, shuffle
from zoo.drawn_faces.training_set import write_training_set

SIDE = 512
FGID = 500_000
"""Pictures at least."""
REQUEST_S = 0.03
"""Of a request to object storage: assumed."""


def measure_reading(folder: Path, number: int, rounds: int) -> None:
    """Print a table; the set is drawn, and lies in the folder and in memory."""
    names = [str(folder / "set"), str(folder / "shards"), "memory://records/set", "memory://records/shards"]
    fill(folder, number, *names)
    opened: Counter[str] = Counter()
    sys.addaudithook(lambda event, values: opened.update([str(values[0])]) if event == "open" else None)
    sets = {name: read_records(name) for name in names}
    reads = {name: time_reading(sets[name]) for name in names}
    seconds = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % 4 :] + names[: turn % 4]:
            seconds[name].append(reads[name]())
    heads = ("set", "samples in a second of CPU time", "to files", "bytes a sample", "opens or requests a sample")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name in names:
        ratio = statistics.median(first / one for first, one in zip(seconds[names[0]], seconds[name], strict=True))
        size, opens = count_reading(sets[name], folder, opened)
        rate = number / statistics.median(seconds[name])
        cells = (name.replace(str(folder), ""), f"{rate:.1f}", f"{ratio:.2f}", f"{size / number:,.0f}")
        print(f"| {' | '.join(cells)} | {opens / number:g} |")
    print_limits(sum(size for file, size in Storage(names[1]).list_sizes().items() if file.endswith(".json")) / number)


def print_limits(index: float) -> None:
    """On paper. index: bytes of the shards' index for a record."""
    minutes = FGID * REQUEST_S / REQUESTS / 60
    print(
        f"Of FGID {FGID * index / 1e6:,.0f} MB of index are read before training. At {REQUEST_S * 1e3:g} ms a request "
        f"a worker of the loader gets {1 / REQUEST_S:.0f} samples/s from shards, {1 / REQUEST_S / 3:.0f} from files; "
        f"listing what `dataset prepare` made takes {minutes:.0f} minutes, {REQUESTS} requests at once."
    )


def fill(folder: Path, number: int, files: str, shards: str, remote: str, remote_shards: str) -> None:
    """The same records in all four places."""
    embedding = np.eye(512, dtype=np.float32)[0]
    write_training_set(Path(files), range(number), 1, SIDE, embed=lambda portrait: embedding)
    storage = Storage(remote)
    for name in Storage(files).list_sizes():
        storage.write(name, Storage(files).read(name))
    for place in (shards, remote_shards):
        pack_records(read_records(files), Storage(place), 1000)


def time_reading(records: Sequence[StoredRecord]) -> Callable[[], float]:
    def read() -> float:
        start = time.process_time()
        for ordinal in shuffle(len(records), 0, 0):
            read_sample(records[ordinal], ordinal, SIDE)
        return time.process_time() - start

    return read


def count_reading(records: Sequence[StoredRecord], folder: Path, opened: Counter[str]) -> tuple[int, int]:
    """Bytes, and files opened below the folder or requests to an address, of all records."""
    requests, size, cat = 0, 0, Storage.read

    def read(self, *given) -> bytes:
        nonlocal requests
        requests += self.place.startswith("memory:")
        return cat(self, *given)

    opened.clear()
    with mock.patch.object(Storage, "read", read):
        time_reading(records)()
    opens = sum(times for file, times in opened.items() if file.startswith(str(folder)))
    for record in records:
        size += getattr(record, "size", 0) or sum(len(part.read()) for part in open_parts(record))
    return size, requests or opens


def open_parts(record: StoredRecord):
    return (part for name in ("image", "mask", "embedding") if (part := record.open_part(name)))
