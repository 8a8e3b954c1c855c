"""A face that was found in a photo."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from scipy import ndimage

from ..errors import ConsistentIDError, IncompatibleModelError
from .photo import hash_photo
from .resampling import warp

CROP_PX = 112
HALF_SHARP = 100.0
"""Faces in photos have a sharpness of 342 (median), 55 when blurred by 1% of their width (docs/real_photos.md)."""
# Eyes, nose and mouth corners in a crop of 112 px: insightface's arcface_dst.
ARCFACE_PLACES = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    box: [x0, y0, x1, y1] in pixels. landmarks: [5, 2] pixels (eyes, nose, mouth corners), None from a cascade.
    score: 0..1. id_embedding: [512] of unit length, None when the person goes
    without one; recogniser: the file that made it. sharpness: see measure_sharpness. age (years) and gender ("female"
    or "male"): None when the model package cannot tell. detector_px: side of the square the detector saw; padded: it
    needed a black margin around the photo. photo: of which it is, see hash_photo. others: boxes of the other faces
    found in it.
    """

    box: np.ndarray
    landmarks: np.ndarray | None
    score: float
    id_embedding: np.ndarray | None
    sharpness: float = 0.0
    age: int | None = None
    gender: str | None = None
    detector_px: int = 0
    padded: bool = False
    recogniser: str = ""
    photo: str = ""
    others: tuple[np.ndarray, ...] = ()

    @property
    def area(self) -> float:
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    @property
    def quality(self) -> float:
        """0..1, to rank photos of one person: score * sharpness / (sharpness + 100)."""
        return self.score * self.sharpness / (self.sharpness + HALF_SHARP)


def require_embedding(face: Face) -> np.ndarray:
    """Its ID embedding; IncompatibleModelError for a face that was found without a recogniser."""
    if face.id_embedding is None:
        raise IncompatibleModelError(
            "This face has no ID embedding, as it was found by what has no recogniser. Load the package buffalo_l."
        )
    return face.id_embedding


def introduce_faces(faces: list[Face]) -> list[Face]:
    """The faces of one photo, each with the boxes of the others."""
    return [replace(face, others=tuple(other.box for other in faces if other is not face)) for face in faces]


def align_face(photo: np.ndarray, face: Face) -> np.ndarray:
    """The face alone, RGB uint8 [112, 112, 3], black beyond the photo.

    Rotated and scaled by the landmarks, as the recogniser sees it; without landmarks the box, squashed to a square.
    """
    if face.landmarks is None:
        left, top, right, bottom = (round(float(value)) for value in face.box)
        crop = Image.fromarray(photo).crop((left, top, right, bottom))
        return np.asarray(crop.resize((CROP_PX, CROP_PX), Image.Resampling.BILINEAR))
    return align_landmarks(photo, face.landmarks)


def align_landmarks(photo: np.ndarray, landmarks: np.ndarray, side_px: int = CROP_PX) -> np.ndarray:
    """Part of a photo, [side_px, side_px, 3], with the five landmarks where InsightFace's recognisers want them.

    side_px: a multiple of 112 or 128. As insightface.utils.face_align.norm_crop does it.
    """
    is_wide = side_px % CROP_PX != 0  # as for 128 px, which show 8 px more on each side
    scale = side_px / (CROP_PX + 16 * is_wide)
    places = ARCFACE_PLACES * scale
    places[:, 0] += 8 * scale * is_wide
    return warp(photo, _fit(landmarks, places), side_px)


def _fit(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The turn, scale and shift [2, 3] that bring points [N, 2] nearest to places (Umeyama 1991)."""
    middle, target = points.mean(axis=0), places.mean(axis=0)
    away, wanted = (points - middle).astype(np.float64), places - target
    left, sizes, right = np.linalg.svd(wanted.T @ away)
    sign = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    turn = (left * sign) @ right * ((sizes * sign).sum() / max((away**2).sum(), 1e-12))
    return np.column_stack([turn, target - turn @ middle])


def check_same_photo(face: Face | None, photo: np.ndarray) -> None:
    """ConsistentIDError when a face was found in another photo."""
    if face is not None and face.photo and face.photo != hash_photo(photo):
        raise ConsistentIDError(
            f"The face was not found in this photo ({photo.shape[1]}x{photo.shape[0]}). Connect the 'photo' that "
            "'Detect Face' gives out with the face, and change a photo before its face is detected."
        )


def measure_sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian of an aligned face, RGB uint8 [112, 112, 3], as grey 0..255: 0 for a flat one."""
    grey = np.rint(crop @ np.array([0.299, 0.587, 0.114]))
    return float(ndimage.laplace(grey, mode="mirror").var())
