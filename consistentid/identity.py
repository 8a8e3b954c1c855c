"""What is known of a person: ID embedding, CLIP features of the photo and of its regions, a caption; and its file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from .adapter.config import CLIP_TOKENS, CLIP_WIDTH, ID_EMBEDDING_WIDTH
from .errors import CheckpointError, IdentityFileError
from .face.regions import REGION_LABELS
from .weights import read_metadata, read_weights

FORMAT = "consistentid-identity"
VERSION = 1
_REGION_PREFIX = "region."


@dataclass(frozen=True, eq=False)
class Identity:
    """One person, ready for any prompt and for either base model; treat it as immutable.

    photo_features, zero_features: [257, 1280], CLIP ViT-H penultimate hidden states of the photo and of all-zero
    pixel values. region_features: {region key: [257, 1280]} in label order.
    id_embedding: [512] of unit length, or None when there is none. caption: "" for the fixed sentence.
    """

    photo_features: Tensor
    zero_features: Tensor
    region_features: dict[str, Tensor]
    id_embedding: Tensor | None = None
    caption: str = ""
    source: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(self.region_features)

    def stack_regions(self, keys: tuple[str, ...]) -> Tensor:
        """Features [R, 257, 1280] of the given regions, then of zero pixels."""
        return torch.stack([*(self.region_features[key] for key in keys), self.zero_features])


def save_identity(identity: Identity, path: str | Path) -> Path:
    """Write an identity as `.safetensors`; the file appears whole or not at all."""
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {"photo_features": identity.photo_features, "zero_features": identity.zero_features}
    tensors |= {_REGION_PREFIX + key: tensor for key, tensor in identity.region_features.items()}
    if identity.id_embedding is not None:
        tensors["id_embedding"] = identity.id_embedding
    _check_tensors(tensors, list(identity.regions), path)
    metadata = {f"note.{key}": value for key, value in identity.notes.items()}
    metadata |= {
        "format": FORMAT,
        "version": str(VERSION),
        "caption": identity.caption,
        "source": identity.source,
        "regions": ",".join(identity.regions),
    }
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, partial, metadata=metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load_identity(path: str | Path) -> Identity:
    """Read an identity file; IdentityFileError when it is not one, is damaged, or is of a newer version."""
    path = Path(path)
    if not path.is_file():
        raise IdentityFileError(f"Identity file not found: {path}")
    try:
        metadata = read_metadata(path)
        _check_version(metadata, path)
        tensors = read_weights(path)
    except CheckpointError as error:
        raise IdentityFileError(f"Not a readable identity file, encode the photo again: {error}") from error
    keys = [key for key in metadata.get("regions", "").split(",") if key]
    _check_tensors(tensors, keys, path)
    return Identity(
        photo_features=tensors["photo_features"],
        zero_features=tensors["zero_features"],
        region_features={key: tensors[_REGION_PREFIX + key] for key in keys},
        id_embedding=tensors.get("id_embedding"),
        caption=metadata.get("caption", ""),
        source=metadata.get("source", ""),
        notes={key.removeprefix("note."): value for key, value in metadata.items() if key.startswith("note.")},
    )


def _check_version(metadata: dict[str, str], path: Path) -> None:
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise IdentityFileError(f"{path.name} is a safetensors file, but not an identity saved by this pack.")
    version = str(metadata.get("version", ""))
    if not version.isdigit() or int(version) != VERSION:
        raise IdentityFileError(
            f"{path.name} is an identity file of version {version or 'unknown'}; this pack reads version {VERSION}. "
            "Update the pack, or encode the identity again from the photo."
        )


def _check_tensors(tensors: dict[str, Tensor], keys: list[str], path: Path) -> None:
    features = (CLIP_TOKENS, CLIP_WIDTH)
    expected = {name: features for name in ("photo_features", "zero_features")}
    expected |= {_REGION_PREFIX + key: features for key in keys}
    if "id_embedding" in tensors:
        expected["id_embedding"] = (ID_EMBEDDING_WIDTH,)
    unknown = [key for key in keys if key not in REGION_LABELS]
    wrong = [
        name
        for name, shape in expected.items()
        if name not in tensors
        or tensors[name].shape != shape
        or not tensors[name].is_floating_point()
        or not tensors[name].isfinite().all()
    ]
    if wrong or unknown or tensors.keys() - expected.keys():
        found = {name: list(tensor.shape) for name, tensor in tensors.items()}
        raise IdentityFileError(f"{path.name} is damaged: {wrong + unknown or 'extra tensors'}; it holds {found}.")
