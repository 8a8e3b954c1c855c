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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import ValidationError
from torch import Tensor

from ..adapter.config import ID_EMBEDDING_WIDTH
from ..checked import check, describe, parse_json
from ..errors import ConsistentIDError
from ..face.parsing import LABELS
from ..face.photo import open_photo
from ..face.preview import draw_labels
from ..whole_file import replace_file
from .layout import ENDINGS, FOLDERS, JSON_FOLDERS, KEYS, MERGED, find_file, find_json, read_value

SHOWN = 5
T = TypeVar("T")


class DatasetError(ConsistentIDError):
    """A training set that is missing, damaged, or not in the published layout."""


@dataclass(frozen=True)
class Record:
    """One photo of a training set. embedding and overlay: None where the record names none."""

    name: str
    image: Path
    mask: Path
    embedding: Path | None
    overlay: Path | None
    caption: str
    facial_caption: str

    def read_image(self) -> np.ndarray:
        """RGB uint8 [H, W, 3]."""
        return open_photo(self.image)

    def read_labels(self, height: int, width: int) -> np.ndarray:
        """Label map uint8 [height, width] with the 19 labels of face.parsing; one of another size is stretched, as
        published data has smaller ones."""
        try:
            with Image.open(self.mask) as file:
                labels = np.array(ImageOps.exif_transpose(file))
        except OSError as error:
            raise DatasetError(f"{self.mask} cannot be read as a label map ({error}).") from error
        if labels.ndim != 2 or labels.dtype != np.uint8 or labels.max() >= len(LABELS):
            raise DatasetError(
                f"{self.mask} is no label map: 8-bit grey with values 0 to {len(LABELS) - 1} is needed; it has shape "
                f"{list(labels.shape)} and values up to {labels.max()}."
            )
        return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))

    def read_embedding(self) -> Tensor | None:
        """InsightFace's embedding [512] of unit length, None where the record has none."""
        if self.embedding is None:
            return None
        try:
            embedding = torch.load(self.embedding, map_location="cpu", weights_only=True)
        except Exception as error:
            raise DatasetError(f"{self.embedding} cannot be read as an ID embedding ({error}).") from error
        if not isinstance(embedding, Tensor) or embedding.numel() != ID_EMBEDDING_WIDTH:
            raise DatasetError(f"{self.embedding} holds no embedding of {ID_EMBEDDING_WIDTH} values.")
        embedding = embedding.detach().float().flatten()
        if not abs(float(embedding.norm()) - 1) < 1e-3:
            raise DatasetError(f"{self.embedding} is not of unit length: {float(embedding.norm()):.3f}.")
        return embedding


def read_records(path: str | Path) -> list[Record]:
    """All records of a folder, or of one JSON file with a list of them; DatasetError where there are none.

    A folder's single JSON files count where it has them, else its JSON_all.json.
    """
    path = Path(path)
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
    root: Path,
    name: str,
    image: np.ndarray,
    labels: np.ndarray,
    embedding: np.ndarray | None,
    **more: str,
) -> None:
    """Write one record; its JSON comes last, so that a record is whole or not there.

    name: may hold folders, as "person/3". image: RGB uint8 [S, S, 3]; labels: uint8 [S, S]; embedding: [512] or None.
    more: caption, facial_caption, and any other entry of the JSON.
    """
    files = {
        part: f"{name}{ending}" for part, ending in ENDINGS.items() if part != "embedding" or embedding is not None
    }
    paths = {part: root / FOLDERS[part][0] / file for part, file in files.items()}
    for file in paths.values():
        file.parent.mkdir(parents=True, exist_ok=True)
    pictures = {"image": image, "mask": labels, "overlay": draw_labels(image, labels)}
    for part, pixels in pictures.items():
        with replace_file(paths[part]) as path:
            Image.fromarray(pixels).save(path, format="PNG")
    if embedding is not None:
        with replace_file(paths["embedding"]) as path:
            torch.save(torch.from_numpy(np.asarray(embedding, dtype=np.float32))[None], path)
    entry = {KEYS[part][0]: file for part, file in files.items()}
    write_json(find_json(root, name), entry | {KEYS[key][0] if key in KEYS else key: more[key] for key in more})


def write_json(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as part:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path, kind: type[T]) -> T:
    """What a JSON file holds; DatasetError where that is no JSON, or nothing of this kind."""
    try:
        return check(kind, parse_json(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise DatasetError(f"{path} is not what it should be: {describe(error)}.") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as JSON ({error}).") from error


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
