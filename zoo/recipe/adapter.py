"""The ConsistentID adapter of the zoo: drawn faces as a training set, and the configuration of `train` for it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from consistentid.adapter.config import ZOO
from consistentid.dataset.layout import MERGED, find_json
from consistentid.face.package import FaceAnalysis, FoundFace, load_face_analysis
from consistentid.face.region_words import ALL_WORDS
from consistentid.fingerprint import hash_path, hash_record
from consistentid.training.config import TrainingConfig
from consistentid.training.loop import train
from zoo.drawn_faces import Portrait, describe_person, sample_person
from zoo.drawn_faces.training_set import write_training_set

from .base_model import SIDE_PX
from .fit import has_bfloat16

RANK = 16
BATCH = 16
WORKERS = 2


def write_records(folder: Path, face_models: Path, people: range, scenes: int, held_out: bool = False) -> Path:
    """The training set of `people` with the ID embeddings of the zoo's recogniser; returns its folder in `folder`.

    One of the same people, words and recogniser that is there is kept, and goes on with the people it lacks where its
    writing was stopped. Every second scene has the sentence of a portrait without a captioner for its facial caption,
    so that the adapter learns to take looks from the face.
    """
    fingerprint = hash_record([hash_path(face_models / ZOO.recogniser), describe_person(sample_person(people.start))])
    records = folder / f"{people.start}-{people.stop}x{scenes}{'_held_out' * held_out}-{fingerprint[:8]}"
    if not (records / MERGED).exists():
        # A person's scenes are written in their order.
        lacking = [seed for seed in people if not find_json(records, f"{seed}/{scenes - 1}").exists()]
        embed = load_embedder(face_models)
        write_training_set(records, lacking, scenes, SIDE_PX, held_out, embed, ZOO.fixed_sentence)
    return records


def load_embedder(face_models: Path) -> Callable[[Portrait], np.ndarray]:
    """What gives a drawn portrait its ID embedding [512], of unit length, by its true landmarks."""
    analysis = cast(FaceAnalysis, load_face_analysis(face_models, "CPU"))  # the zoo's package is of ONNX models
    recogniser = analysis.models["recognition"]

    def embed(portrait: Portrait) -> np.ndarray:
        face = FoundFace(kps=portrait.landmarks)
        recogniser.get(np.ascontiguousarray(portrait.image[:, :, ::-1]), face)
        return np.asarray(face.normed_embedding)

    return embed


def train_adapter(models: Path, records: Path, output: Path, steps: int, **changes) -> Path:
    """Train on the records with the zoo's frozen models, or go on where a run stopped; returns the adapter's file.

    changes: as for `configure`, such as localisation_weight=0 for the comparison without it.
    """
    return train(configure(models, records, output, steps, **changes))


def configure(models: Path, records: Path, output: Path, steps: int, **changes) -> TrainingConfig:
    """The run that makes the zoo's adapter; changes: other values of TrainingConfig."""
    usual = TrainingConfig(
        checkpoint=str(models / "base"),
        clip_vision=str(models / "image_encoder"),
        dataset=str(records),
        output=str(output),
        steps=steps,
        base=ZOO.name,
        rank=RANK,
        resolution=SIDE_PX,
        batch=BATCH,
        micro_batch=BATCH,
        learning_rate=3e-4,
        rates="cosine",
        warmup=steps // 50,
        id_drop_probability=0.4,
        regions=ALL_WORDS,
        precision="bf16" if has_bfloat16() else "no",
        workers=WORKERS,
        cache=str(records.with_name(f"{records.name}_readings")),
        save_every=max(steps // 4, 1),
        keep=1,
        log_every=50,
    )
    return replace(usual, **changes)
