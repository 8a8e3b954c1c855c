"""What Face2Diffusion's training knows of each record's face: identity features and expression code, read once."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..dataset.record import DatasetError, StoredRecord
from ..dataset.records import SHOWN
from ..errors import ConsistentIDError, FaceNotFoundError
from ..face.package import load_face_analysis
from ..face.search import find_faces
from ..face.selection import select_face
from ..face2diffusion.encoder import MSID, align_for_text, find_weights, prepare_pixels
from ..face2diffusion.expression import measure_expression
from ..face2diffusion.msid import MSIDEncoder
from ..fingerprint import describe_path
from ..terminal import show_progress
from ..weights import read_metadata, read_weights, write_weights
from .config import MappingConfig

FORMAT = 1
"""To be raised when faces are aligned or expressions measured otherwise."""
NAME = "faces.safetensors"


@dataclass(frozen=True, eq=False)
class Faces:
    """Of N records. features: [N, F]; expressions: [N, E]."""

    records: Sequence[StoredRecord]
    features: Tensor
    expressions: Tensor


def read_faces(records: Sequence[StoredRecord], config: MappingConfig, msid: MSIDEncoder, device) -> Faces:
    """The faces of all records in which one is found; those of an earlier run into the same output are taken over.

    msid: in eval mode, on the device. DatasetError when no record shows a face.
    """
    path, fingerprint = Path(config.output) / NAME, _describe(records, config)
    known = _load(path, fingerprint)
    if known is None:
        known = _read(records, config, msid, device)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_weights(path, known, {"made of": fingerprint})
    rows = known["rows"].tolist()
    found = set(rows)
    lost = [record.name for number, record in enumerate(records) if number not in found]
    if not rows:
        raise DatasetError(
            f"The detector of {config.face_package} finds no face in any record of {config.dataset}. `dataset show` "
            "draws what the records hold."
        )
    if lost:
        print(f"{len(lost)} of {len(records)} records show the detector no face and are left out: {_shorten(lost)}")
    return Faces([records[row] for row in rows], known["features"], known["expressions"])


@torch.no_grad()
def _read(records: Sequence[StoredRecord], config: MappingConfig, msid: MSIDEncoder, device) -> dict[str, Tensor]:
    analysis = load_face_analysis(config.face_package)
    rows, features, expressions = [], [], []
    watch = show_progress("Faces", "face")
    watch(0, len(records))
    for number, record in enumerate(records):
        photo = record.read_image()
        try:
            face = select_face(find_faces(analysis, photo, any_recogniser=True), photo)
            crop = align_for_text(photo, face)
        except FaceNotFoundError:
            continue
        finally:
            watch(number + 1, len(records))
        labels = record.read_labels(*photo.shape[:2])
        rows.append(number)
        features.append(msid(prepare_pixels(crop).to(device))[0].float().cpu())
        expressions.append(measure_expression(labels, np.asarray(face.landmarks)))
    return {
        "rows": torch.tensor(rows),
        "features": torch.stack(features) if rows else torch.zeros(0),
        "expressions": torch.stack(expressions) if rows else torch.zeros(0),
    }


def _load(path: Path, fingerprint: str) -> dict[str, Tensor] | None:
    """None where there is nothing yet, a damaged file, or one of other records or networks."""
    try:
        return read_weights(path) if read_metadata(path).get("made of") == fingerprint else None
    except (OSError, ConsistentIDError):
        return None


def _describe(records: Sequence[StoredRecord], config: MappingConfig) -> str:
    made_of = [[record.describe("image"), record.describe("mask")] for record in records]
    networks = [
        describe_path(find_weights(Path(config.face2diffusion), MSID)),
        describe_path(Path(config.face_package)),
    ]
    return hashlib.sha256(json.dumps([FORMAT, networks, made_of]).encode()).hexdigest()


def _shorten(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
