"""What VAE and image encoder make of a picture, kept on disk: they are frozen, so it is the same in every epoch."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..dataset.records import Record
from ..errors import ConsistentIDError
from ..weights import read_metadata, read_weights, write_weights
from .config import TrainingConfig

PHOTO = "photo"
LATENTS = "latents"


@dataclass(frozen=True, eq=False)
class Reading:
    """latents: mean and spread, [2, 4, h, w]. features: [257, 1280] of the photo, under PHOTO, and of each region that
    has a facial token, by its key. size: (height, width) of the stored picture."""

    latents: Tensor
    features: dict[str, Tensor]
    size: tuple[int, int]


@dataclass(frozen=True)
class Place:
    """Where the reading of one record is kept. stamp: what it was read from, by names, sizes and times of files."""

    path: Path
    stamp: str

    def load(self) -> Reading | None:
        """None where there is none yet, or one of other pictures, captions or networks."""
        try:
            metadata = read_metadata(self.path)
            if metadata.get("stamp") != self.stamp:
                return None
            tensors = {name: tensor.float() for name, tensor in read_weights(self.path).items()}
        except (OSError, ConsistentIDError):
            return None
        return Reading(tensors.pop(LATENTS), tensors, tuple(json.loads(metadata["size"])))

    def save(self, reading: Reading, dtype: torch.dtype) -> None:
        """dtype: in which the features were computed; the latents are kept in float32."""
        tensors = {name: tensor.to("cpu", dtype) for name, tensor in reading.features.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"stamp": self.stamp, "size": json.dumps(reading.size)}
        write_weights(self.path, tensors | {LATENTS: reading.latents.to("cpu")}, metadata)


class Readings:
    """The folder of a run's readings; runs of other networks or settings may share it, and then read anew."""

    def __init__(self, config: TrainingConfig):
        self.folder = Path(config.cache)
        networks = [_describe(Path(path)) for path in (config.checkpoint, config.clip_vision)]
        chosen = (config.base, config.resolution, config.unite_pairs, config.alignment, config.precision)
        self._run = json.dumps([networks, chosen])

    def place(self, record: Record) -> Place:
        sources = [_describe(record.image), _describe(record.mask), record.caption, record.facial_caption]
        stamp = hashlib.sha256(f"{self._run}{json.dumps(sources)}".encode()).hexdigest()
        return Place(self.folder / f"{record.name}.safetensors", stamp)


def _describe(path: Path) -> list:
    """The path, and name, size and time of the file or of each file in the folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return [str(path), *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
