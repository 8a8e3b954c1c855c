"""A folder of photos -> a training set: several at once, and what is there already is left alone."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import ConsistentIDError
from ..face.photo import open_photo
from ..storage import Storage
from .layout import FOLDERS, MERGED, find_json, read_value
from .prepare import FaceModels, Preparation, prepare_photo
from .records import DatasetError, encode_json, list_entries, write_json, write_record
from .shards import read_index

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
SETTINGS = "preparation.json"
REJECTED = "rejected.json"
BUNDLE = 64
CAPTION_FILE, FACIAL_CAPTION_FILE = ".txt", "_face.txt"


@dataclass(frozen=True)
class Outcome:
    """How a run went: records made now and before; {photo below its folder: why it was rejected}, of all runs; failed:
    those that the next run tries again, for a fault that is not theirs."""

    made: int
    kept: int
    rejected: dict[str, str]
    failed: dict[str, str] = field(default_factory=dict)


def prepare_folder(
    photos: Path,
    out: Path,
    models: FaceModels,
    wanted: Preparation,
    workers: int = 1,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Prepare every photo below a folder that `out` has no record of, in `workers` threads.

    `out` may be in that folder, or be it: the set's own pictures are no photos. A run that was stopped goes on where it
    was. Photos rejected before stay so until rejected.json is deleted.
    Captions are read from NAME.txt and NAME_face.txt beside a photo. watch(done, total) is called before the
    first and after each.
    Raises DatasetError for a folder without photos, and for an `out` that was made with other settings.
    """
    found = list_photos(photos, out)
    keep_settings(Storage(str(out)), wanted)
    there = {photo for photo in found if find_json(out, photo).exists()}
    rejected, open_ones = find_open(found, there, Storage(str(out)))

    def prepare(photo: str) -> str:
        try:
            captions = read_captions(photos / photo)
            prepared = prepare_photo(open_photo(photos / photo), models, wanted)
        except ConsistentIDError as error:
            return str(error)
        write_record(out, photo, prepared.image, prepared.labels, prepared.embedding, origin_IMG=photo, **captions)
        return ""

    made = 0
    watch(0, len(open_ones))
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(open_ones), BUNDLE):
            bundle = open_ones[start : start + BUNDLE]
            try:
                for done, (photo, reason) in enumerate(zip(bundle, pool.map(prepare, bundle), strict=True), start + 1):
                    rejected |= {photo: reason} if reason else {}
                    made += not reason
                    watch(done, len(open_ones))
            finally:
                write_json(out / REJECTED, rejected)
    return Outcome(made, len(there), rejected)


def find_open(photos: Collection[str], there: Collection[str], out: Storage) -> tuple[dict[str, str], list[str]]:
    """Those of the photos that were rejected before, with the reasons, and those that are still to be tried."""
    rejected = read_index(out, REJECTED, dict[str, str]) if out.exists(REJECTED) else {}
    rejected = {photo: reason for photo, reason in rejected.items() if photo in photos}
    return rejected, [photo for photo in photos if photo not in there and photo not in rejected]


def merge_records(out: Path) -> int:
    """Write the records that have both captions as one list, JSON_all.json; returns their number."""
    whole = [entry for _, entry in list_entries(out) if has_captions(entry)]
    write_json(out / MERGED, whole)
    return len(whole)


def has_captions(entry: dict) -> bool:
    return all(read_value(entry, part) for part in ("caption", "facial_caption"))


def read_captions(photo: Path) -> dict[str, str]:
    """What NAME.txt and NAME_face.txt beside a photo say: caption and facial_caption, as far as they are there.

    DatasetError for a text that is not UTF-8.
    """
    files = {part: photo.with_name(name) for part, name in name_captions(photo.name).items()}
    return decode_captions({part: file.read_bytes() for part, file in files.items() if file.is_file()}, photo.name)


def name_captions(photo: str) -> dict[str, str]:
    """{part: the file that may hold it} beside a photo, which may be below folders.

    >>> name_captions("ada/1.jpg")
    {'caption': 'ada/1.txt', 'facial_caption': 'ada/1_face.txt'}
    """
    stem = photo.removesuffix(PurePosixPath(photo).suffix)
    return {"caption": stem + CAPTION_FILE, "facial_caption": stem + FACIAL_CAPTION_FILE}


def decode_captions(contents: dict[str, bytes], photo: str) -> dict[str, str]:
    try:
        texts = {part: content.decode("utf-8-sig").strip() for part, content in contents.items()}
    except ValueError as error:
        raise DatasetError(f"The captions of {photo} cannot be read ({error}). Save them as UTF-8.") from error
    return {part: text for part, text in texts.items() if text}


def list_photos(photos: Path, out: Path) -> list[str]:
    """Every photo below a folder, as "person/1.jpg"; its record has the same name, ending included.

    The pictures of the set in `out` are left out.
    """
    if not photos.is_dir():
        raise DatasetError(f"{photos} is not a folder.")
    root, own = photos.resolve(), {out.resolve() / names[0] for names in FOLDERS.values()}
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    files = [file for file in files if own.isdisjoint(file.parents)]
    if not files:
        raise DatasetError(f"No photos in {photos}: files that end in {', '.join(SUFFIXES)} are needed.")
    return [file.relative_to(root).as_posix() for file in files]


def keep_settings(out: Storage, wanted: Preparation) -> None:
    """Note with what settings a set is made; DatasetError if it was made with others."""
    if not out.exists(SETTINGS):
        out.write(SETTINGS, encode_json(asdict(wanted)))
        return
    before, now = read_index(out, SETTINGS, dict[str, Any]), asdict(wanted)
    changed = [f"{key} was {before.get(key)}, now {now[key]}" for key in now if before.get(key) != now[key]]
    if changed:
        raise DatasetError(f"{out.place} was made with other settings: {'; '.join(changed)}. Name another folder.")
