"""Identities as files: strict safetensors, and names that stay in their folder."""

import json
import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..adapter.config import CONFIGS, ID_EMBEDDING_WIDTH, SD15
from ..errors import CaptionError, CheckpointError, IdentityFileError
from ..face.regions import REGION_WORDS
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
    _check_tensors(tensors, _read_person(metadata, path)["regions"], path)
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
    keys = person.pop("regions")
    _check_tensors(tensors, keys, path)
    return Identity(
        photo_features=tensors["photo_features"],
        zero_features=tensors["zero_features"],
        region_features={key: tensors[_REGION_PREFIX + key] for key in keys},
        id_embedding=tensors.get("id_embedding"),
        thumbnail=_read_thumbnail(metadata, path),
        **person,
    )


def _read_person(metadata: dict[str, str], path: Path) -> dict:
    """The fields of Identity that are not tensors, and the list of regions; each of the type and range it must have."""
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise IdentityFileError(f"{path.name} is a safetensors file, but not an identity saved by this pack.")
    version = str(metadata.get("version", ""))
    if version != str(VERSION):
        raise IdentityFileError(
            f"{path.name} is an identity file of version {version[:20] or 'unknown'}; this pack reads version "
            f"{VERSION}. Update the pack, or encode the identity again from the photo."
        )
    try:
        person = json.loads(metadata["person"])
        checks = {
            "caption": isinstance(person["caption"], str),
            "quality": _is_between(person["quality"], 0, 1),
            "regions": set(person["regions"]) <= REGION_WORDS.keys(),
            "strengths": person["strengths"].keys() <= REGION_WORDS.keys()
            and all(_is_between(strength, 0, HIGHEST_STRENGTH) for strength in person["strengths"].values()),
            "sources": isinstance(person["sources"], list) and all(isinstance(x, str) for x in person["sources"]),
            "notes": all(isinstance(text, str) for text in person["notes"].values()),
        }
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise IdentityFileError(f"{path.name} is damaged: its description of the person ({error!r}).") from error
    if checks["caption"]:
        _check_caption(person["caption"], path)
    wrong = [f"{name} {person[name]!r:.200}" for name, is_right in checks.items() if not is_right]
    if wrong or person.keys() != checks.keys():
        raise IdentityFileError(f"{path.name} is damaged: {'; '.join(wrong) or f'it describes {sorted(person)}'}.")
    return person | {"sources": tuple(person["sources"])}


def _check_caption(caption: str, path: Path) -> None:
    try:
        check_caption(caption)
    except CaptionError as error:
        raise IdentityFileError(f"{path.name}: {error}") from error


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


def _choose_shape(tensors: dict[str, Tensor]) -> tuple[int, int]:
    """The shape that all features must have: that of an image encoder of some adapter, as the photo's have it."""
    found = tensors["photo_features"].shape if "photo_features" in tensors else None
    known = (config.sizes.image_shape for config in CONFIGS)
    return next((shape for shape in known if shape == found), SD15.sizes.image_shape)


def _is_between(number, low: float, high: float) -> bool:
    return isinstance(number, float | int) and math.isfinite(number) and low <= number <= high


def list_paths(folder: Path, name: str) -> Iterator[Path]:
    """The paths in `folder` that an identity may get: NAME.safetensors, then with a number, without end.

    IdentityFileError for a name that is none on some system, is hidden, or would leave the folder.
    """
    stem = name.strip().removesuffix(".safetensors").strip()
    is_plain = stem.isprintable() and not _FORBIDDEN.search(stem) and not _DEVICES.fullmatch(stem)
    if not is_plain or not 0 < len(stem.encode()) <= LONGEST_NAME or stem[0] == "." or stem[-1] == ".":
        raise IdentityFileError(f"'{name}' is not a usable file name. Use letters, digits, spaces, '-' and '_'.")
    return number_paths(folder / f"{stem}.safetensors", " ")
