"""What VAE and image encoder make of a picture, kept on disk: they are frozen, so it is the same in every epoch."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..dataset.record import StoredRecord
from ..errors import ConsistentIDError
from ..face.region_words import PUBLISHED_REGIONS
from ..fingerprint import describe_path
from ..weights import read_metadata, read_weights, write_weights
from .config import ConfigError, TrainingConfig

FORMAT = 1
"""To be raised when regions, their pixels or captions are made otherwise."""
PHOTO = "photo"
LATENTS = "latents"
NETWORKS = ("checkpoint", "base_config", "clip_vision")
SETTINGS = ("base", "resolution", "unite_pairs", "alignment", "precision")


@dataclass(frozen=True, eq=False)
class Features:
    """latents: mean and spread, [2, 4, h, w]. features: [257, 1280] of the photo, under PHOTO, and of each region that
    has a facial token, or of all where chance leaves some out, by its key. size: (height, width) of the stored
    picture."""

    latents: Tensor
    features: dict[str, Tensor]
    size: tuple[int, int]


@dataclass(frozen=True)
class CacheEntry:
    """Where the features of one record are kept; other pictures, captions, networks or settings have another path."""

    path: Path

    def load(self) -> Features | None:
        """None where there is nothing yet, or a damaged file."""
        try:
            size = json.loads(read_metadata(self.path)["size"])
            tensors = {name: tensor.float() for name, tensor in read_weights(self.path).items()}
            return Features(tensors.pop(LATENTS), tensors, tuple(size))
        except (OSError, KeyError, ConsistentIDError):
            return None

    def save(self, features: Features, dtype: torch.dtype) -> None:
        """dtype: in which the features were computed; the latents are kept in float32."""
        tensors = {name: tensor.to("cpu", dtype) for name, tensor in features.features.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            metadata = {"size": json.dumps(features.size)}
            write_weights(self.path, tensors | {LATENTS: features.latents.to("cpu")}, metadata)
        except OSError as error:
            raise ConfigError(
                f"{self.path} could not be written ({error}). Make room, name another folder as `cache`, or train "
                "without."
            ) from error


class FeatureCache:
    """The features of a run's records. Runs may share the folder."""

    def __init__(self, config: TrainingConfig):
        self.folder = Path(config.cache)
        values = asdict(config)
        networks = [describe_path(Path(values[name])) for name in NETWORKS if values[name]]
        self._run = [FORMAT, networks, [values[name] for name in SETTINGS]]
        if config.regions != PUBLISHED_REGIONS:
            self._run.append(config.regions)

    def find(self, record: StoredRecord) -> CacheEntry:
        made_of = [record.describe("image"), record.describe("mask"), record.caption, record.facial_caption]
        fingerprint = hashlib.sha256(json.dumps([self._run, made_of]).encode()).hexdigest()
        return CacheEntry(self.folder / fingerprint[:2] / f"{fingerprint[2:]}.safetensors")
