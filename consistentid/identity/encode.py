"""Photo -> Identity over the ports: each step alone, and all of them with a picture of each."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ..face.face import Face, align_face, check_same_photo
from ..face.omission import leave_out_regions
from ..face.parsed_face import ParsedFace, parse_regions
from ..face.preview import draw_labels
from ..face.region_words import REGION_WORDS
from ..face.regions import Regions, preprocess_clip
from ..face.search import FaceSearch
from ..ports import FaceParser, ImageEncoder
from .person import Identity, build_identity

_zero_features: WeakKeyDictionary[Any, Tensor] = WeakKeyDictionary()


@dataclass(frozen=True)
class PhotoModels:
    """What reads a photo. faces: a FaceSource, or InsightFace's analysis; None to go without face and ID embedding."""

    encoder: ImageEncoder
    parser: FaceParser
    faces: Any


@dataclass(frozen=True)
class Stages:
    """Pictures for people, (title, RGB uint8 [H, W, 3]), and a line on what was found.

    face_crop: the aligned face, RGB uint8 [112, 112, 3]; None where none was looked for.
    """

    pictures: list[tuple[str, np.ndarray]]
    report: str
    face_crop: np.ndarray | None = None


def encode_photo(
    photo: np.ndarray,
    models: PhotoModels,
    side_px: int,
    selection: str = "largest",
    index: int = 0,
    framing: str = "auto",
    unite_pairs: bool = False,
    extra: Collection[str] = (),
    omitted: tuple[str, ...] = (),
) -> tuple[Identity, Stages]:
    """Everything that is known of the person in an RGB photo [H, W, 3].

    side_px: side of the square for face parsing, 512 for SD1.5 and 1280 for SDXL. selection, index: which face, as for
    `select_faces`. framing: what CLIP sees, as for `choose_frame`; unite_pairs, extra: as for `select_regions`;
    omitted: words of regions that are not encoded. FaceNotFoundError when there is no face, or no region of one.
    """
    face, found = None, Stages([("Photo", photo)], "")
    if models.faces:
        face, found = _find_face(photo, models.faces, selection, index)
    parsed = parse_photo(models.parser, photo, side_px, face, framing, unite_pairs, extra)
    regions = leave_out_regions(parsed.regions, omitted)
    views = regions.list_views()
    words = [REGION_WORDS[key] for key in regions.masks]
    identity = build_identity(regions, face, *encode_images(models.encoder, views))
    pictures = [("Regions", draw_labels(photo, parsed.map_labels()))]
    pictures += [(word.capitalize(), view) for word, view in zip(words, views[1:], strict=True)]
    report = f"Found {', '.join(words)}; {'with' if face else 'without'} ID embedding. {parsed.framing}"
    return identity, Stages([*found.pictures, *pictures], report, found.face_crop)


def align_photo(photo: np.ndarray, faces: Any, selection: str = "largest", index: int = 0) -> Stages:
    """The aligned face alone; arguments as for `encode_photo`."""
    face, found = _find_face(photo, faces, selection, index)
    crop = align_face(photo, face)
    return Stages([*found.pictures, ("Aligned face", crop)], found.report, crop)


def parse_photo(
    parser: FaceParser,
    photo: np.ndarray,
    side_px: int,
    face: Face | None = None,
    framing: str = "auto",
    unite_pairs: bool = False,
    extra: Collection[str] = (),
) -> ParsedFace:
    """The regions of a photo around a face, without its neighbours'; without a face those of the whole photo.

    The rest as for `parse_regions`. ConsistentIDError for a face of another photo.
    """
    check_same_photo(face, photo)
    box, others, landmarks = (None, (), None) if face is None else (face.box, face.others, face.landmarks)
    return parse_regions(parser, photo, side_px, box, framing, unite_pairs, extra, others=others, landmarks=landmarks)


def encode_identity(regions: Regions, face: Face | None, encoder: ImageEncoder, caption: str = "") -> Identity:
    """The person in a photo whose regions are known; see `build_identity` for face, caption and errors."""
    return build_identity(regions, face, *encode_images(encoder, regions.list_views()), caption)


@torch.no_grad()
def encode_images(encoder: ImageEncoder, images: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Penultimate hidden states [N, 257, 1280] of RGB photos in one batch, and those of zero pixel values [257, 1280].

    Both on the CPU. The latter are computed once for each network.
    """
    pixels = torch.stack([torch.from_numpy(preprocess_clip(image)) for image in images])
    # On its own, so that the photos' batch, and with it every bit of the result, is the same in each run.
    if encoder.network not in _zero_features:
        _zero_features[encoder.network] = encoder.encode_pixels(torch.zeros_like(pixels[:1]))[0].cpu()
    return encoder.encode_pixels(pixels).cpu(), _zero_features[encoder.network]


def _find_face(photo: np.ndarray, faces: Any, selection: str, index: int) -> tuple[Face, Stages]:
    """The chosen face, and the photo and a picture of all faces."""
    found = FaceSearch(faces, selection, index).find(photo)
    face = next(filter(None, found.chosen))
    title = f"Face, 1 of {len(found.faces or ())}"
    return face, Stages([("Photo", photo), (title, found.mark(face))], title, found.crop(face))
