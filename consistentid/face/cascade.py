"""Face detection without InsightFace: the frontal-face cascade that scikit-image brings along.

It gives a box and how many of its windows see a face: no landmarks, no ID embedding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..packages import needed
from .face import Face

CASCADE_PX = 512
SMALLEST_SHARE = 0.1  # of the longer side
SMALLEST_PX = 24  # the window the cascade was trained on
SCALE_STEP = 1.1
NEIGHBOURS = 8
"""How many windows must agree on a face.

On the photos of docs/real_photos.md, 35 faces of that size: with 8, 18 are found and one that is none; with 4, 24 and
eight; with 16, 11 and none.
"""
SURE = 40
"""Windows that see a face: 10 to 65 on those photos, and 7 on a lamp."""
SAME_WINDOW, SAME_FACE = 0.4, 0.3  # common area of two boxes, by intersection over union
ALL_WINDOWS = 2.0  # of scikit-image's overlap threshold: nothing is grouped


@dataclass(frozen=True, eq=False)
class FaceCascade:
    """A FaceSource without ID embeddings: scikit-image's classifier, ready to use."""

    classifier: Any
    has_threshold = False
    recogniser = ""

    def find_faces(self, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR") -> list[Face]:
        """Upright faces that look at the camera in an RGB photo [H, W, 3], left to right.

        They take at least a tenth of the photo's longer side; larger photos are searched at 512 px, and again with a
        black margin where nobody is seen: a face that fills the frame has too little around it. score: how many windows
        see the face, 0..1. threshold, channel_order: ignored.
        """
        for margin in (0, max(photo.shape[:2]) // 2):
            boxes, searched_px = self._search(photo, margin)
            if boxes:
                return [_make_face(box, boxes[box], searched_px, margin > 0) for box in sorted(boxes)]
        return []

    def recognise(self, photo: np.ndarray, face: Face, channel_order: str = "BGR") -> Face:
        return face

    def _search(self, photo: np.ndarray, margin: int) -> tuple[dict, int]:
        """{(x0, y0, x1, y1): score 0..1} of boxes apart, in pixels of the photo; the longer side searched."""
        scale = min(1.0, CASCADE_PX / (max(photo.shape[:2]) + 2 * margin))
        border, image = round(margin * scale), Image.fromarray(photo)
        small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        small = ImageOps.expand(small, border)
        smallest = max(SMALLEST_PX, round(SMALLEST_SHARE * max(small.size)))
        if smallest > min(small.size):
            return {}, max(small.size)
        agreed = self._find(small, smallest, NEIGHBOURS)
        windows = self._find(small, smallest, 1, ALL_WINDOWS) if agreed else []
        votes = {box: sum(measure_overlap(box, other) > SAME_WINDOW for other in windows) for box in agreed}
        scores = {box: min(count / SURE, 1.0) for box, count in _keep_apart(votes).items()}
        return {tuple((np.array(box) - border) / scale): score for box, score in scores.items()}, max(small.size)

    def _find(self, image: Image.Image, smallest: int, neighbours: int, overlap: float = 0.5) -> list[tuple]:
        hits = self.classifier.detect_multi_scale(
            np.asarray(image), SCALE_STEP, 1, (smallest,) * 2, (min(image.size),) * 2, neighbours, overlap
        )
        return [(hit["c"], hit["r"], hit["c"] + hit["width"], hit["r"] + hit["height"]) for hit in hits]


def load_face_cascade() -> FaceCascade:
    """The cascade in scikit-image's own folder; nothing is downloaded. Raises MissingPackageError."""
    with needed("scikit-image", "Finding faces without InsightFace"):
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    return FaceCascade(Cascade(lbp_frontal_face_cascade_filename()))


def _keep_apart(votes: dict[tuple, int]) -> dict[tuple, int]:
    """The boxes without those that show the same face as a surer one."""
    kept = {}
    for box in sorted(votes, key=lambda box: -votes[box]):
        if not any(_is_same(box, other) for other in kept):
            kept[box] = votes[box]
    return kept


def _is_same(box: tuple, other: tuple) -> bool:
    return measure_overlap(box, other) > SAME_FACE or _holds_middle(box, other) or _holds_middle(other, box)


def _holds_middle(box: tuple, other: tuple) -> bool:
    return all(
        low < (start + end) / 2 < high
        for low, high, start, end in zip(box[:2], box[2:], other[:2], other[2:], strict=True)
    )


def measure_overlap(box: tuple, other: tuple) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    (low, high), (other_low, other_high) = (np.reshape(corners, (2, 2)) for corners in (box, other))
    common = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None).prod()
    return float(common / ((high - low).prod() + (other_high - other_low).prod() - common))


def _make_face(box: tuple, score: float, searched_px: int, padded: bool) -> Face:
    return Face(np.array(box, dtype=np.float32), None, score, None, detector_px=searched_px, padded=padded)
