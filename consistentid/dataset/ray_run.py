"""Photos -> records by Ray Data: in several processes, here or on many machines, each with the models loaded once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from ..errors import ConsistentIDError
from ..face.package import load_face_analysis
from ..face.parsing import load_face_parser
from ..face.photo import open_photo
from ..ray_session import Cluster, map_rows, ray_session
from ..storage import Storage, StorageError, is_address
from .captions import FIXED
from .layout import FOLDERS, MERGED
from .prepare import FaceModels, Preparation, prepare_photo
from .records import DatasetError, encode_json, encode_record
from .remote import list_names, read_entries
from .run import (
    BUNDLE,
    REJECTED,
    SUFFIXES,
    Outcome,
    decode_captions,
    find_open,
    has_captions,
    keep_settings,
    list_photos,
    name_captions,
)

MADE, UNUSABLE, FAILED = "made", "rejected", "failed"
GIVE_UP = 64
"""Failures one after another, after which the rest is not tried."""


@dataclass(frozen=True)
class Task:
    """What every process does. source, out: folders or addresses; package, parser, device: of the models, which are at
    these paths on each machine. fixed_captions: the fixed sentences where a photo has no text beside it."""

    source: str
    out: str
    package: str
    parser: str
    device: str
    wanted: Preparation
    fixed_captions: bool = False


class Worker:
    """One process of Ray: photos -> records in the set, and a line for each on what became of it."""

    def __init__(self, task: Task):
        self.task, self.source, self.out = task, Storage(task.source), Storage(task.out)
        parser = load_face_parser(task.parser).to(task.device)
        self.models = FaceModels(load_face_analysis(task.package), parser)

    def __call__(self, batch: dict) -> dict:
        rows = zip(map(str, batch["photo"]), map(str, batch["captions"]), strict=True)
        lines = [(photo, *self.prepare(photo, captions.split())) for photo, captions in rows]
        return dict(zip(("photo", "kind", "reason"), map(list, zip(*lines, strict=True)), strict=True))

    def prepare(self, photo: str, captions: list[str]) -> tuple[str, str]:
        """MADE, UNUSABLE or FAILED, and why. captions: parts that a text beside the photo holds."""
        try:
            content = self.source.read(photo)
            names = name_captions(photo)
            texts = {part: self.source.read(names[part]) for part in captions}
        except ConsistentIDError as error:
            return FAILED, str(error)
        try:
            told = decode_captions(texts, Path(photo).name)
            pixels = open_photo(self.source.locate(photo), BytesIO(content))
            found = prepare_photo(pixels, self.models, self.task.wanted)
        except ConsistentIDError as error:
            return UNUSABLE, str(error)
        if self.task.fixed_captions:
            told |= {part: text for part, text in FIXED.items() if part not in told}
        files = encode_record(photo, found.image, found.labels, found.embedding, origin_IMG=photo, **told)
        try:
            for file, written in files.items():
                self.out.write(file, written)
        except (ConsistentIDError, OSError) as error:
            return FAILED, str(error)
        return MADE, ""


def prepare_on_ray(
    task: Task, cluster: Cluster, watch: Callable[[int, int], None] = lambda done, total: None
) -> Outcome:
    """As `prepare_folder`, in processes of Ray, here or at an address.

    A process that dies is started again with what it had not finished; a record is written under its own name with the
    same bytes, so there is one for each photo. A photo that could not be read or written is left for the next run.
    RayError when Ray cannot go on.
    """
    cluster.require_gpu(task.device)
    source, out = Storage(task.source), Storage(task.out)
    captions = list_source(source, out)
    keep_settings(out, task.wanted)
    there = captions.keys() & set(list_names(out.list_sizes()))
    rejected, open_ones = find_open(captions, there, out)
    outcome = Outcome(0, len(there), rejected)
    if open_ones:
        with ray_session(cluster) as ray:
            rows = [{"photo": photo, "captions": " ".join(captions[photo])} for photo in open_ones]
            outcome = _run(ray, rows, task, cluster, outcome, watch)
    # As one machine writes it: in the order of the photos, not of the processes.
    rejected = {photo: outcome.rejected[photo] for photo in captions if photo in outcome.rejected}
    out.write(REJECTED, encode_json(rejected))
    return replace(outcome, rejected=rejected)


def _run(ray, rows: list[dict], task: Task, cluster: Cluster, outcome: Outcome, watch) -> Outcome:
    out, made, in_a_row = Storage(task.out), 0, 0
    rejected, failed = dict(outcome.rejected), dict(outcome.failed)
    watch(0, len(rows))
    for block in map_rows(ray, rows, Worker, (task,), cluster, BUNDLE):
        for photo, kind, reason in zip(block["photo"], block["kind"], block["reason"], strict=True):
            made += kind == MADE
            in_a_row = in_a_row + 1 if kind == FAILED else 0
            if kind != MADE:
                (failed if kind == FAILED else rejected)[str(photo)] = str(reason)
        out.write(REJECTED, encode_json(rejected))
        watch(made + len(failed) + len(rejected) - len(outcome.rejected), len(rows))
        if in_a_row >= GIVE_UP:
            raise StorageError(
                f"{in_a_row} photos failed one after another, the last with: {list(failed.values())[-1]}"
            )
    return Outcome(made, outcome.kept, rejected, failed)


def list_source(source: Storage, out: Storage) -> dict[str, list[str]]:
    """{photo below the source: parts of a record that a text beside it holds}; the set's own pictures are no photos."""
    files = source.list_sizes()
    if not is_address(source.place):
        photos = list_photos(Path(source.place), Path(out.place))
    else:
        own = tuple(out.locate(f"{names[0]}/") for names in FOLDERS.values())
        photos = [file for file in files if file.lower().endswith(SUFFIXES) and not source.locate(file).startswith(own)]
    if not photos:
        raise DatasetError(f"No photos in {source.place}: files that end in {', '.join(SUFFIXES)} are needed.")
    return {photo: [part for part, file in name_captions(photo).items() if file in files] for photo in photos}


def merge_remote(out: Storage) -> int:
    """As `merge_records`, of a set at an address."""
    whole = [entry for entry in read_entries(out, list_names(out.list_sizes())) if has_captions(entry)]
    out.write(MERGED, encode_json(whole))
    return len(whole)
