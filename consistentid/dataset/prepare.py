"""One photo -> a square picture, its label map and its ID embedding, or the reason why it is of no use."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..errors import FaceNotFoundError
from ..face.face import Face, require_embedding
from ..face.framing import Square, crop_square, move_inside
from ..face.neighbours import keep_own
from ..face.region_words import REGION_WORDS
from ..face.regions import select_regions
from ..face.search import find_faces, recognise_face
from ..face.selection import select_face
from ..ports import FaceParser
from .records import DatasetError

PARSING_PX = 512
LARGEST_ENLARGEMENT = 2
"""Reasoned, not measured."""

LEAST_BESIDE = 0.25
"""Area and sharpness, in those of the chosen face, from which another counts as a person: half as wide, and in focus.
In groups 95% of such faces have at least 0.29 of the largest one's sharpness; blurred by 2% of their width, 95% keep
less than 0.18 (docs/real_photos.md)."""


@dataclass(frozen=True)
class Preparation:
    """What is asked of a photo.

    size_px: side of the square picture. face_share: smallest longer side of the face box, in sides of the picture;
    a photo with a smaller face is cropped closer. people: most of them in a photo; small or blurred faces beside the
    chosen one do not count. quality: lowest Face.quality, 0..1.
    """

    size_px: int = 512
    face_share: float = 0.2
    people: int = 1
    quality: float = 0.0

    def __post_init__(self):
        if not (self.size_px > 0 and 0 < self.face_share <= 1 and self.people > 0):
            raise DatasetError(f"Size and people must be above 0, the face share above 0 and at most 1: {self}.")


@dataclass(frozen=True)
class PreparedPhoto:
    """image: RGB uint8 [S, S, 3]; labels: uint8 [S, S]; embedding: [512] of unit length, from BGR pixels."""

    image: np.ndarray
    labels: np.ndarray
    embedding: np.ndarray


@dataclass(frozen=True)
class FaceModels:
    """analysis: InsightFace's, or another FaceSource with ID embeddings."""

    analysis: Any
    parser: FaceParser


def prepare_photo(photo: np.ndarray, models: FaceModels, wanted: Preparation) -> PreparedPhoto:
    """The largest square around the face of an RGB photo [H, W, 3], and what is seen in it.

    The embedding is of the photo itself. The whole picture is parsed, as in the published data: the person mask is
    made of its labels. FaceNotFoundError says why a photo is rejected.
    """
    faces = find_faces(models.analysis, photo)
    if not faces:
        raise FaceNotFoundError(f"No face found ({photo.shape[1]}x{photo.shape[0]}).")
    face = select_face(faces, photo)
    people = count_people(faces, face)
    if people > wanted.people:
        raise FaceNotFoundError(f"{people} faces, without small or blurred ones; at most {wanted.people} are wanted.")
    if face.quality < wanted.quality:
        raise FaceNotFoundError(f"Quality {face.quality:.2f} of the face is below {wanted.quality:g}.")
    square = choose_square(photo, face.box, wanted)
    picture, size = Image.fromarray(crop_square(photo, square)), (wanted.size_px, wanted.size_px)
    image = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    labels = keep_own(models.parser.parse(image, PARSING_PX), square, face.box, face.others)
    if labels.shape != image.shape[:2]:
        labels = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
    found = select_regions(labels)
    if "Face" not in found:
        words = ", ".join(REGION_WORDS[key] for key in found) or "nothing"
        raise FaceNotFoundError(f"The face parser found no skin of a face, only: {words}.")
    return PreparedPhoto(image, labels, require_embedding(recognise_face(models.analysis, photo, face)))


def count_people(faces: list[Face], chosen: Face) -> int:
    """How many faces are as good as people beside the chosen one, itself included: no passers-by, small or blurred."""
    return sum(
        face is chosen
        or (face.area >= LEAST_BESIDE * chosen.area and face.sharpness >= LEAST_BESIDE * chosen.sharpness)
        for face in faces
    )


def choose_square(photo: np.ndarray, box: np.ndarray, wanted: Preparation) -> Square:
    """The square of a photo that is kept: as large as it goes, smaller where the face would be too small in it.

    FaceNotFoundError when it would have to be enlarged more than twice, which says whether photo or face is too small.
    """
    longer = float(max(box[2] - box[0], box[3] - box[1]))
    whole, close = min(photo.shape[:2]), int(longer / wanted.face_share)
    side = min(whole, close)
    if whole * LARGEST_ENLARGEMENT < wanted.size_px:
        raise FaceNotFoundError(
            f"The photo is too small ({photo.shape[1]}x{photo.shape[0]}) to enlarge it to {wanted.size_px} px. "
            f"Use one of at least {-(-wanted.size_px // LARGEST_ENLARGEMENT)} px, or a smaller --size."
        )
    if side * LARGEST_ENLARGEMENT < wanted.size_px:
        raise FaceNotFoundError(
            f"The face has {longer:.0f} px, so only a square of {side} px would be left to enlarge to {wanted.size_px}."
        )
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = round(float(x) - side / 2), round(float(y) - side / 2)
    return move_inside((left, top, left + side, top + side), photo)
