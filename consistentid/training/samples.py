"""From records on disk to batches of pixels, in an order that depends on nothing but the seed."""

import pickle
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..adapter.config import ID_EMBEDDING_WIDTH
from ..dataset.record import StoredRecord, require_captions
from ..face.region_words import FACE_LABELS, PUBLISHED_REGIONS
from ..face.regions import Regions, fill_region, preprocess_clip, select_by_word
from .config import TrainingConfig
from .feature_cache import CacheEntry, FeatureCache, Features


@dataclass(frozen=True)
class Pixels:
    """What the frozen networks see. image: [3, S, S], -1..1. photo: [3, 224, 224] for CLIP; regions likewise by key."""

    image: Tensor
    photo: Tensor
    regions: dict[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """One picture of the run.

    ordinal: its number in the run, from 0; all its chance follows from it. person, face: [1, S, S], 0 or 1; the face is
    without ears and hair. masks: {region
    key: uint8 [S, S], 0..255}. id_embedding: [512], zeros without one. size: (height, width) of the stored picture.
    pixels: None where `cached`, from an earlier epoch, holds what the networks make of them. entry: of the cache, where
    new features are to be kept; None without one.
    """

    ordinal: int
    person: Tensor
    face: Tensor
    masks: dict[str, Tensor]
    id_embedding: Tensor
    caption: str
    facial_caption: str
    size: tuple[int, int]
    pixels: Pixels | None
    cached: Features | None = None
    entry: CacheEntry | None = None


class TrainingSamples(Dataset):
    """The run's samples by ordinal: epoch after epoch, each in an order of its own."""

    def __init__(self, records: Sequence[StoredRecord], config: TrainingConfig):
        require_captions(records)
        self.records, self.config = records, config
        self.cache = FeatureCache(config) if config.cache else None

    def __getitem__(self, ordinal: int) -> Sample:
        epoch, place = divmod(ordinal, len(self.records))
        number = shuffle(len(self.records), self.config.seed, epoch)[place]
        record = self.records[number]
        entry = self.cache.find(record) if self.cache else None
        config = self.config
        return read_sample(record, ordinal, config.resolution, config.unite_pairs, entry, config.regions)


class MicroBatches:
    """Ordinals of each micro-batch of one process, from a step on: [[0, 1], [4, 5], ...] for the first of two.

    The processes of a step share its `batch` samples, so what a step sees does not depend on their number.
    """

    def __init__(self, config: TrainingConfig, start: int, process: int, processes: int):
        self.config, self.start, self.process, self.processes = config, start, process, processes

    def __iter__(self) -> Iterator[list[int]]:
        size = self.config.micro_batch
        share = size * self.processes
        for first in range(self.start * self.config.batch, self.config.steps * self.config.batch, share):
            mine = first + self.process * size
            yield list(range(mine, mine + size))

    def __len__(self) -> int:
        remaining = (self.config.steps - self.start) * self.config.batch
        return remaining // (self.config.micro_batch * self.processes)


def read_sample(
    record: StoredRecord,
    ordinal: int,
    resolution: int,
    unite_pairs: bool = False,
    entry: CacheEntry | None = None,
    words: Collection[str] = PUBLISHED_REGIONS,
) -> Sample:
    """A record, its centre square resized to the resolution, and its regions of the given words.

    A label map of another size is stretched.
    """
    cached = entry.load() if entry else None
    if cached:
        stored, (height, width) = None, cached.size
    else:
        stored = record.read_image()
        height, width = stored.shape[:2]
    square = (resolution, resolution)
    labels = fit_labels(record.read_labels(height, width), square)
    masks = select_by_word(labels, words, unite_pairs)
    embedding = record.read_embedding()
    return Sample(
        ordinal=ordinal,
        person=torch.from_numpy((labels > 0).astype(np.float32))[None],
        face=make_face_mask(labels),
        masks={key: torch.from_numpy(mask) for key, mask in masks.items()},
        id_embedding=torch.zeros(ID_EMBEDDING_WIDTH) if embedding is None else embedding,
        caption=record.caption,
        facial_caption=record.facial_caption,
        size=(height, width),
        pixels=None if stored is None else _make_pixels(stored, masks, square),
        cached=cached,
        entry=entry,
    )


def fit_labels(labels: np.ndarray, square: tuple[int, int]) -> np.ndarray:
    """The centre square of a label map."""
    return np.asarray(ImageOps.fit(Image.fromarray(labels), square, Image.Resampling.NEAREST))


def fit_image(stored: np.ndarray, square: tuple[int, int]) -> np.ndarray:
    """The centre square of a picture, RGB uint8."""
    return np.asarray(ImageOps.fit(Image.fromarray(stored), square, Image.Resampling.LANCZOS))


def scale_pixels(image: np.ndarray) -> Tensor:
    """RGB uint8 [S, S, 3] -> [3, S, S], -1..1, as the VAE reads it."""
    return torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1).contiguous()


def make_face_mask(labels: np.ndarray) -> Tensor:
    """[1, S, S] of a label map, 1 on the face without ears and hair."""
    return torch.from_numpy((fill_region(labels, *FACE_LABELS) / 255).astype(np.float32))[None]


def _make_pixels(stored: np.ndarray, masks: dict[str, np.ndarray], square: tuple[int, int]) -> Pixels:
    photo = fit_image(stored, square)
    seen, *regions = (torch.from_numpy(preprocess_clip(view)) for view in Regions(photo, masks).list_views())
    return Pixels(
        image=scale_pixels(photo),
        photo=seen,
        regions=dict(zip(masks, regions, strict=True)),
    )


def load_batches(samples: TrainingSamples, start: int, process: int = 0, processes: int = 1) -> Iterator[list[Sample]]:
    """The micro-batches of one process from step `start` to the end of the run.

    Workers send them as bytes: as tensors each would take an open file, and beyond 1024 of them a run stands still.
    """
    plan = MicroBatches(samples.config, start, process, processes)
    loader = DataLoader(samples, batch_sampler=plan, num_workers=samples.config.workers, collate_fn=pickle.dumps)
    return map(pickle.loads, loader)


def make_generator(seed: int, *numbers: int) -> torch.Generator:
    """A generator on the CPU for one purpose; other numbers give other, unrelated ones."""
    (state,) = np.random.SeedSequence([seed, *numbers]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


@lru_cache(maxsize=2)
def shuffle(count: int, seed: int, epoch: int) -> list[int]:
    return torch.randperm(count, generator=make_generator(seed, 0, epoch)).tolist()
