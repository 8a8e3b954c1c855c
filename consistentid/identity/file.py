"""Identities as files: strict safetensors, and names that stay in their folder."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import PydanticCustomError
from torch import Tensor

from ..adapter.config import CONFIGS, ID_EMBEDDING_WIDTH, SD15
from ..checked import STRICT, describe, parse_json
from ..errors import CaptionError, CheckpointError, IdentityFileError
from ..face.region_words import REGION_WORDS
from ..face.thumbnail import decode_png, encode_png
from ..weights import read_metadata, read_weights, write_bare_weights, write_weights
from ..whole_file import create_files, number_paths
from .person import HIGHEST_STRENGTH, Identity, check_caption

FORMAT = "consistentid-identity"
VERSION = 1
LONGEST_NAME = 200
_REGION_PREFIX = "region."
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# The name under which ComfyUI and others look for a picture of a model.
_THUMBNAIL = "modelspec.thumbnail"
_PNG = "data:image/png;base64,"
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')
# Names of devices on Windows, whatever follows the first point.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)( *\..*)?", re.IGNORECASE)


def save_identity(identity: Identity, path: str | Path) -> Path:
    """Write an identity as `.safetensors`, in place of what is there; the file appears whole or not at all."""
    path = Path(path)
    write_weights(path, *_pack(identity, path))
    return path


def save_new_identity(identity: Identity, folder: Path, name: str) -> Path:
    """Write an identity into a folder as NAME.safetensors, else with a number: whatever is there, or comes while it is
    written, is kept. Returns its path; errors as `list_paths`.
    """
    paths = list_paths(folder, name)
    tensors, metadata = _pack(identity, next(paths))
    write = partial(write_bare_weights, tensors=tensors, metadata=metadata)
    (path,) = create_files(((path,) for path in list_paths(folder, name)), [write])
    return path


def _pack(identity: Identity, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of its file."""
    tensors = {"photo_features": identity.photo_features, "zero_features": identity.zero_features}
    tensors |= {_REGION_PREFIX + key: tensor for key, tensor in identity.region_features.items()}
    if identity.id_embedding is not None:
        tensors["id_embedding"] = identity.id_embedding
    person = {name: getattr(identity, name) for name in ("caption", "quality", "strengths", "sources", "notes")}
    person["regions"] = list(identity.region_features)
    metadata = {"format": FORMAT, "version": str(VERSION), "person": json.dumps(person)}
    if identity.thumbnail is not None:
        metadata[_THUMBNAIL] = _PNG + encode_png(identity.thumbnail)
    _check_tensors(tensors, _read_person(metadata, path).regions, path)
    return {key: tensor.clone() for key, tensor in tensors.items()}, metadata


def load_identity(path: str | Path) -> Identity:
    """Read an identity file; IdentityFileError when it is not one, is damaged, or is of a newer version."""
    path = Path(path)
    if not path.is_file():
        raise IdentityFileError(f"Identity file not found: {path}")
    try:
        metadata = read_metadata(path)
        person = _read_person(metadata, path)
        tensors = read_weights(path)
    except CheckpointError as error:
        raise IdentityFileError(f"Not a readable identity file, encode the photo again: {error}") from error
    _check_tensors(tensors, person.regions, path)
    return Identity(
        photo_features=tensors["photo_features"],
        zero_features=tensors["zero_features"],
        region_features={key: tensors[_REGION_PREFIX + key] for key in person.regions},
        id_embedding=tensors.get("id_embedding"),
        caption=person.caption,
        quality=person.quality,
        strengths=person.strengths,
        thumbnail=_read_thumbnail(metadata, path),
        sources=tuple(person.sources),
        notes=person.notes,
    )


def _check_region(key: str) -> str:
    if key not in REGION_WORDS:
        raise PydanticCustomError("region", "a region")
    return key


_Region = Annotated[str, AfterValidator(_check_region)]


class _Person(BaseModel):
    """The fields of Identity that are not tensors, and the list of regions."""

    model_config = STRICT

    caption: str
    quality: Annotated[float, Field(ge=0, le=1)]
    regions: list[_Region]
    strengths: dict[_Region, Annotated[float, Field(ge=0, le=HIGHEST_STRENGTH)]]
    sources: list[str]
    notes: dict[str, str]


def _read_person(metadata: dict[str, str], path: Path) -> _Person:
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise IdentityFileError(f"{path.name} is a safetensors file, but not an identity saved by this pack.")
    version = str(metadata.get("version", ""))
    if version != str(VERSION):
        raise IdentityFileError(
            f"{path.name} is an identity file of version {version[:20] or 'unknown'}; this pack reads version "
            f"{VERSION}. Update the pack, or encode the identity again from the photo."
        )
    try:
        person = _Person.model_validate(parse_json(metadata["person"]))
        check_caption(person.caption)
    except CaptionError as error:
        raise IdentityFileError(f"{path.name}: {error}") from error
    except ValidationError as error:
        raise IdentityFileError(f"{path.name} is damaged: {describe(error)}.") from error
    except (KeyError, ValueError) as error:
        raise IdentityFileError(f"{path.name} is damaged: its description of the person ({error!r}).") from error
    return person


def _read_thumbnail(metadata: dict[str, str], path: Path) -> np.ndarray | None:
    if _THUMBNAIL not in metadata:
        return None
    try:
        return decode_png(metadata[_THUMBNAIL].removeprefix(_PNG))
    except ValueError as error:
        raise IdentityFileError(f"{path.name} is damaged: its thumbnail cannot be read ({error}).") from error


def _check_tensors(tensors: dict[str, Tensor], keys: list[str], path: Path) -> None:
    features = _choose_shape(tensors)
    expected: dict[str, tuple[int, ...]] = {name: features for name in ("photo_features", "zero_features")}
    expected |= {_REGION_PREFIX + key: features for key in keys}
    if "id_embedding" in tensors:
        expected["id_embedding"] = (ID_EMBEDDING_WIDTH,)
    wrong = [
        name
        for name, shape in expected.items()
        if name not in tensors
        or tensors[name].shape != shape
        or tensors[name].dtype not in _DTYPES
        or not tensors[name].isfinite().all()
    ]
    if wrong or tensors.keys() - expected.keys():
        found = {name: list(tensor.shape) for name, tensor in tensors.items()}
        raise IdentityFileError(f"{path.name} is damaged: {wrong or 'extra tensors'}; it holds {found}.")


def _choose_shape(tensors: dict[str, Tensor]) -> tuple[int, ...]:
    """The shape that all features must have: that of an image encoder of some adapter, as the photo's have it."""
    found = tensors["photo_features"].shape if "photo_features" in tensors else None
    known = (config.sizes.image_shape for config in CONFIGS)
    return next((shape for shape in known if shape == found), SD15.sizes.image_shape)


def list_paths(folder: Path, name: str) -> Iterator[Path]:
    """The paths in `folder` that an identity may get: NAME.safetensors, then with a number, without end.

    IdentityFileError for a name that is none on some system, is hidden, or would leave the folder.
    """
    stem = name.strip().removesuffix(".safetensors").strip()
    is_plain = stem.isprintable() and not _FORBIDDEN.search(stem) and not _DEVICES.fullmatch(stem)
    if not is_plain or not 0 < len(stem.encode()) <= LONGEST_NAME or stem[0] == "." or stem[-1] == ".":
        raise IdentityFileError(f"'{name}' is not a usable file name. Use letters, digits, spaces, '-' and '_'.")
    return number_paths(folder / f"{stem}.safetensors", " ")
