"""One photo of a training set and what is known of it, wherever it is kept."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..adapter.config import ID_EMBEDDING_WIDTH
from ..errors import ConsistentIDError
from ..face.parsing import LABELS
from ..face.photo import open_photo
from ..storage import Storage

TWICE = "It has the picture of a record before it. Leave one of them out."


class DatasetError(ConsistentIDError):
    """A training set that is missing, damaged, or not in the published layout."""


class StoredRecord(ABC):
    """A record whose parts, "image", "mask" and "embedding", are read from some place."""

    __slots__ = ()

    name: str
    caption: str
    facial_caption: str

    @abstractmethod
    def locate(self, part: str) -> str:
        """What to call a part in messages."""

    @abstractmethod
    def describe(self, part: str) -> list:
        """What tells a part from what it was before, or from another; empty for one that the record has not."""

    @abstractmethod
    def open_part(self, part: str) -> BinaryIO | None:
        """Its bytes; None for one that the record has not. OSError where it cannot be read."""

    def read_image(self) -> np.ndarray:
        """RGB uint8 [H, W, 3]."""
        try:
            stream = self.open_part("image")
        except OSError as error:
            raise DatasetError(f"{self.locate('image')} cannot be read as a picture ({error}).") from error
        return open_photo(self.locate("image"), stream)

    def read_labels(self, height: int, width: int) -> np.ndarray:
        """Label map uint8 [height, width] with the 19 labels of face.parsing; one of another size is stretched, as
        published data has smaller ones."""
        try:
            with cast(BinaryIO, self.open_part("mask")) as stream, Image.open(stream) as file:
                labels = np.array(ImageOps.exif_transpose(file))
        except OSError as error:
            raise DatasetError(f"{self.locate('mask')} cannot be read as a label map ({error}).") from error
        if labels.ndim != 2 or labels.dtype != np.uint8 or labels.max() >= len(LABELS):
            raise DatasetError(
                f"{self.locate('mask')} is no label map: 8-bit grey with values 0 to {len(LABELS) - 1} is needed; it "
                f"has shape {list(labels.shape)} and values up to {labels.max()}."
            )
        return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))

    def read_embedding(self) -> Tensor | None:
        """InsightFace's embedding [512] of unit length, None where the record has none."""
        try:
            stream = self.open_part("embedding")
            if stream is None:
                return None
            with stream:
                embedding = torch.load(stream, map_location="cpu", weights_only=True)
        except ConsistentIDError:
            raise
        except Exception as error:
            raise DatasetError(f"{self.locate('embedding')} cannot be read as an ID embedding ({error}).") from error
        if not isinstance(embedding, Tensor) or embedding.numel() != ID_EMBEDDING_WIDTH:
            raise DatasetError(f"{self.locate('embedding')} holds no embedding of {ID_EMBEDDING_WIDTH} values.")
        embedding = embedding.detach().float().flatten()
        if not abs(float(embedding.norm()) - 1) < 1e-3:
            raise DatasetError(f"{self.locate('embedding')} is not of unit length: {float(embedding.norm()):.3f}.")
        return embedding


@dataclass(frozen=True, slots=True)
class ListedRecord(StoredRecord):
    """A record in a storage, whose parts were listed with the set. files: (part, file, first byte, bytes). Small, since
    a run holds all of them."""

    name: str
    caption: str
    facial_caption: str
    storage: Storage
    files: tuple[tuple[str, str, int, int], ...]

    def find(self, part: str) -> tuple[str, int, int]:
        """File, first byte and bytes of a part; "" as the file of one that the record has not."""
        return next(((file, start, size) for name, file, start, size in self.files if name == part), ("", 0, 0))


def require_captions(records: Sequence[StoredRecord]) -> None:
    """DatasetError where a record lacks one of its two captions."""
    silent = [record.name for record in records if not (record.caption and record.facial_caption)]
    if silent:
        raise DatasetError(
            f"{len(silent)} of {len(records)} records lack a caption ({', '.join(silent[:5])}). "
            "`dataset prepare` with --captioner or --fixed-captions adds it; `dataset check` shows all."
        )


def find_twice(records: Sequence[StoredRecord]) -> list[StoredRecord]:
    """Records whose picture is that of one before them."""
    seen: set[str] = set()
    return [record for record in records if (picture := str(record.describe("image"))) in seen or seen.add(picture)]
