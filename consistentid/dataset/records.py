"""Records of a training set on disk, in the published layout.

    JSON_all.json          every record in one list
    all_JSON/NAME.json     one record: its captions, and its files below the folders that follow
    resize_IMG/            the photo, square
    parsing_mask_IMG/      its label map, 8-bit grey
    parsing_color_IMG/     the photo under its label map, for people
    all_faceID/            InsightFace's embedding [1, 512], made from BGR pixels

Both spellings of the authors are read: those of their README and those of their data scripts. So are captions under
another captioner's name.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import torch
from PIL import Image

from ..face.preview import draw_labels
from ..fingerprint import describe_path
from ..storage import Storage, is_address
from .layout import ENDINGS, FOLDERS, JSON_FOLDERS, KEYS, MERGED, find_file, read_value
from .record import DatasetError, StoredRecord
from .remote import read_address
from .shards import FIRST, INDEX, decode_json, read_packed

SHOWN = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Record(StoredRecord):
    """One photo of a training set, in files of its own. embedding and overlay: None where the record names none."""

    name: str
    image: Path
    mask: Path
    embedding: Path | None
    overlay: Path | None
    caption: str
    facial_caption: str

    def locate(self, part: str) -> str:
        return str(getattr(self, part))

    def describe(self, part: str) -> list:
        path = getattr(self, part)
        return describe_path(path) if path else []

    def open_part(self, part: str) -> BinaryIO | None:
        path = getattr(self, part)
        return path.open("rb") if path else None


def read_records(path: str | Path) -> Sequence[StoredRecord]:
    """All records of a folder, of one JSON file with a list of them, or of shards; folder and shards may be at an
    address that fsspec reaches. DatasetError where there are none.

    A folder's single JSON files count where it has them, else its JSON_all.json.
    """
    if is_address(path):
        return read_address(str(path))
    if any((Path(path) / name).is_file() for name in (INDEX, FIRST)):
        return read_packed(str(path))
    return read_files(Path(path))


def read_files(path: Path) -> list[Record]:
    """As `read_records`, where each record has files of its own."""
    root = path.parent if path.is_file() else path
    entries = _read_entries(path)
    if not entries:
        raise DatasetError(
            f"No records in {path}: expected {MERGED}, or a folder {JSON_FOLDERS[0]} with a JSON file for each photo. "
            "`dataset prepare` makes them."
        )
    records, problems = [], []
    for name, entry in entries:
        try:
            records.append(make_record(root, name, entry))
        except DatasetError as error:
            problems.append(str(error))
    if problems:
        raise DatasetError("\n".join([f"{len(problems)} of {len(entries)} records are incomplete.", *problems[:SHOWN]]))
    return records


def make_record(root: Path, name: str, entry: dict) -> Record:
    """The record of one JSON entry; DatasetError where it names no image or no mask."""
    values = {part: read_value(entry, part) for part in KEYS}
    values |= {part: values[part].replace("\\", "/") for part in FOLDERS}
    absent = [part for part in ("image", "mask") if not values[part]]
    if absent:
        raise DatasetError(
            f"Record {name or values['image'] or values['mask'] or entry} names no {' and no '.join(absent)}; "
            f"expected one of the keys {', '.join(key for part in absent for key in KEYS[part])}."
        )
    files = {part: find_file(root, part, values[part]) for part in FOLDERS if values[part]}
    return Record(
        name=name or Path(values["image"]).stem.removesuffix("_resize"),
        image=files["image"],
        mask=files["mask"],
        embedding=files.get("embedding"),
        overlay=files.get("overlay"),
        caption=values["caption"].strip(),
        facial_caption=values["facial_caption"].strip(),
    )


def write_record(
    root: Path, name: str, image: np.ndarray, labels: np.ndarray, embedding: np.ndarray | None, **more: str
) -> None:
    """Write one record, as `encode_record` makes it; its JSON comes last, so that a record is whole or not there."""
    storage = Storage(str(root))
    for file, content in encode_record(name, image, labels, embedding, **more).items():
        storage.write(file, content)


def encode_record(
    name: str, image: np.ndarray, labels: np.ndarray, embedding: np.ndarray | None, **more: str
) -> dict[str, bytes]:
    """{file below the set: its bytes} of one record, its JSON last. The same record gives the same bytes.

    name: may hold folders, as "person/3". image: RGB uint8 [S, S, 3]; labels: uint8 [S, S]; embedding: [512] or None.
    more: caption, facial_caption, and any other entry of the JSON.
    """
    pictures = {"image": image, "mask": labels, "overlay": draw_labels(image, labels)}
    contents = {part: _encode_png(pixels) for part, pixels in pictures.items()}
    if embedding is not None:
        buffer = BytesIO()
        torch.save(torch.from_numpy(np.asarray(embedding, dtype=np.float32))[None], buffer)
        contents["embedding"] = buffer.getvalue()
    entry = {KEYS[part][0]: f"{name}{ENDINGS[part]}" for part in ENDINGS if part in contents}
    entry |= {KEYS[key][0] if key in KEYS else key: text for key, text in more.items()}
    files = {f"{FOLDERS[part][0]}/{name}{ENDINGS[part]}": content for part, content in contents.items()}
    return files | {f"{JSON_FOLDERS[0]}/{name}.json": encode_json(entry)}


def _encode_png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def encode_json(content) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def write_json(path: Path, content) -> None:
    Storage(str(path.parent)).write(path.name, encode_json(content))


def read_json(path: Path, kind: type[T]) -> T:
    """What a JSON file holds; DatasetError where that is no JSON, or nothing of this kind."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read as JSON ({error}).") from error
    return decode_json(content, str(path), kind)


def list_entries(root: Path) -> list[tuple[str, dict]]:
    """(name, JSON entry) of every single JSON file, sorted by name."""
    folders = [root / name for name in JSON_FOLDERS if (root / name).is_dir()]
    files = sorted(file for folder in folders[:1] for file in folder.rglob("*.json"))
    return [
        (file.relative_to(folders[0]).with_suffix("").as_posix(), read_json(file, dict[str, Any])) for file in files
    ]


def _read_entries(path: Path) -> list[tuple[str, dict]]:
    if path.is_dir() and (entries := list_entries(path)):
        return entries
    merged = path / MERGED if path.is_dir() else path
    if not merged.is_file():
        return []
    return [("", entry) for entry in read_json(merged, list[dict[str, Any]])]
