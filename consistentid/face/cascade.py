"""Face detection without InsightFace: the frontal-face cascade that scikit-image brings along.

It gives a box and nothing else: no score, no landmarks, no ID embedding.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from ..packages import needed
from .face import Face, align_face, measure_sharpness
from .photo import check_photo, identify_photo

# Measured on scikit-image's own pictures: each of her portraits once, and nothing on the 18 without a face.
CASCADE_PX = 512
SMALLEST_SHARE = 0.1  # of the longer side
SMALLEST_PX = 24  # the window the cascade was trained on
SCALE_STEP = 1.1
NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class FaceCascade:
    """scikit-image's classifier, ready to use."""

    classifier: Any

    def find_faces(self, photo: np.ndarray) -> list[Face]:
        """Upright faces that look at the camera in an RGB photo [H, W, 3], left to right.

        They take at least a tenth of the photo's longer side; larger photos are searched at 512 px.
        """
        check_photo(photo)
        scale = min(1.0, CASCADE_PX / max(photo.shape[:2]))
        image = Image.fromarray(photo)
        small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        smallest = max(SMALLEST_PX, round(SMALLEST_SHARE * max(small.size)))
        if smallest > min(small.size):
            return []
        hits = self.classifier.detect_multi_scale(
            np.asarray(small), SCALE_STEP, 1, (smallest, smallest), (min(small.size),) * 2, NEIGHBOURS
        )
        origin = identify_photo(photo)
        boxes = sorted((hit["c"], hit["r"], hit["c"] + hit["width"], hit["r"] + hit["height"]) for hit in hits)
        return [_make_face(photo, np.array(box, dtype=np.float32) / scale, max(small.size), origin) for box in boxes]


def load_face_cascade() -> FaceCascade:
    """The cascade in scikit-image's own folder; nothing is downloaded. Raises MissingPackageError."""
    with needed("scikit-image", "Finding faces without InsightFace"):
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    return FaceCascade(Cascade(lbp_frontal_face_cascade_filename()))


def _make_face(photo: np.ndarray, box: np.ndarray, detector_px: int, origin: str) -> Face:
    face = Face(box, None, 1.0, None, detector_px=detector_px, photo=origin)
    return replace(face, sharpness=measure_sharpness(align_face(photo, face)))
