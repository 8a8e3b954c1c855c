"""Photo -> Identity, with a picture of each stage. The one file here that knows faces and regions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from ..face.analysis import detect_faces, select_faces
from ..face.face import Face, align_face
from ..face.parsed_face import parse_regions
from ..face.parsing import BiSeNet
from ..face.preview import draw_faces, draw_labels
from ..face.regions import REGION_WORDS
from ..identity import Identity, build_identity
from .clip_vision import encode_images


@dataclass(frozen=True)
class PhotoModels:
    """What reads a photo. analysis: InsightFace's FaceAnalysis, None to go without an ID embedding."""

    clip_vision: nn.Module
    face_parser: BiSeNet
    analysis: Any


@dataclass(frozen=True)
class Stages:
    """Pictures for people, (title, RGB uint8 [H, W, 3]), and a line on what was found.

    face_crop: the aligned face, RGB uint8 [112, 112, 3]; None without InsightFace.
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
) -> tuple[Identity, Stages]:
    """Everything that is known of the person in an RGB photo [H, W, 3].

    side_px: side of the square for face parsing, 512 for SD1.5 and 1280 for SDXL. selection, index: which face, as for
    `select_faces`. framing: what CLIP sees, as for `choose_frame`. FaceNotFoundError when there is no face, or no
    region of one.
    """
    face, pictures = None, [("Photo", photo)]
    if models.analysis:
        face, picture = _find_face(photo, models.analysis, selection, index)
        pictures.append(picture)
    box, others, landmarks = (face.box, face.others, face.landmarks) if face else (None, (), None)
    parsed = parse_regions(models.face_parser, photo, side_px, box, framing, others=others, landmarks=landmarks)
    regions = parsed.regions
    pictures.append(("Regions", draw_labels(photo, parsed.map_labels())))
    cuts = {key: regions.cut(key) for key in regions.masks}
    pictures += [(REGION_WORDS[key].capitalize(), cut) for key, cut in cuts.items()]
    features, zero = encode_images(models.clip_vision, [regions.view_photo(), *cuts.values()])
    words = ", ".join(REGION_WORDS[key] for key in cuts)
    report = f"Found {words}; {'with' if face else 'without'} ID embedding. {parsed.framing}"
    crop = align_face(photo, face) if face else None
    return build_identity(regions, face, features, zero), Stages(pictures, report, crop)


def align_photo(photo: np.ndarray, analysis: Any, selection: str = "largest", index: int = 0) -> Stages:
    """The aligned face alone; arguments as for `encode_photo`."""
    face, picture = _find_face(photo, analysis, selection, index)
    crop = align_face(photo, face)
    return Stages([("Photo", photo), picture, ("Aligned face", crop)], picture[0], crop)


def _find_face(photo: np.ndarray, analysis: Any, selection: str, index: int) -> tuple[Face, tuple[str, np.ndarray]]:
    """The chosen face, and a picture of all with a title."""
    faces = detect_faces(analysis, photo)
    face = select_faces(faces, photo, selection, index)[0]
    return face, (f"Face, 1 of {len(faces)}", draw_faces(photo, faces, face))
