"""A face that was found in a photo."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

CROP_PX = 112
HALF_SHARP = 100.0


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    box: [x0, y0, x1, y1] in pixels. landmarks: [5, 2] pixels (eyes, nose, mouth corners), None from a cascade.
    score: 0..1; 1 from a cascade, which gives none. id_embedding: [512] of unit length, None when the person goes
    without one; recogniser: the file that made it. sharpness: see measure_sharpness. age (years) and gender ("female"
    or "male"): None when the model package cannot tell. detector_px: side of the square the detector saw; padded: it
    needed a black margin around the photo.
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

    @property
    def area(self) -> float:
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))

    @property
    def quality(self) -> float:
        """0..1, to rank photos of one person: score * sharpness / (sharpness + 100)."""
        return self.score * self.sharpness / (self.sharpness + HALF_SHARP)


def align_face(photo: np.ndarray, face: Face, side_px: int = CROP_PX) -> np.ndarray:
    """The face alone, RGB uint8 [side_px, side_px, 3], black beyond the photo.

    Rotated and scaled by the landmarks, as the recogniser sees it; without landmarks the box, squashed to a square.
    side_px: a multiple of 112 or 128.
    """
    if face.landmarks is None:
        box = tuple(round(float(value)) for value in face.box)
        return np.asarray(Image.fromarray(photo).crop(box).resize((side_px, side_px), Image.Resampling.BILINEAR))
    from insightface.utils.face_align import norm_crop

    return norm_crop(photo, face.landmarks, side_px)


def measure_sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian of an aligned face, RGB uint8 [112, 112, 3], as grey 0..255: 0 for a flat one."""
    import cv2

    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
