"""Faces compared by dlib's recogniser, which is free for any use: no ID embedding, as no adapter was trained with it.

A package is a folder with the two files of MODEL_ID in models_manifest.json. They are dlib's own serialisation, which
holds numbers and no code, unlike a pickle; damaged ones may end the process, so their SHA-256 is checked first.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import CheckpointError, IncompatibleModelError
from ..model_files.find import compute_sha256
from ..model_files.manifest import read_manifest
from ..packages import needed
from .face import Face
from .selection import find_place

MODEL_ID = "likeness_dlib"
RECOGNISER = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARKS = "shape_predictor_5_face_landmarks.dat"
SEARCHED_PX = 2000
"""Longer side at which faces are searched; they need 80 px of it (docs/real_photos.md)."""
LARGEST_ENLARGEMENT = 2
LIMIT = 0.1
"""dlib's score from which it is a face, 0 by itself: so four of 160 faces are lost, and the two that are none."""
LOWEST = 0.2
"""Lower thresholds count as this one: below it hundreds of faces that are none would each be described."""
SCALE = (
    "dlib's cosines are high: two photos of one person 0.97 (0.95 to 0.98), strangers 0.81 (0.76 to 0.87), people in "
    "one group photo 0.90 (0.85 to 0.93)."
)
"""For people (docs/real_photos.md). dlib's own limit, a distance of 0.6, is a cosine of about 0.90."""


@dataclass(frozen=True, eq=False)
class DlibAnalysis:
    """A FaceSource of dlib's face detector, landmarks and recogniser."""

    dlib: Any
    detector: Any
    landmarks: Any
    network: Any
    has_threshold = True
    recogniser = RECOGNISER

    def find_faces(self, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "") -> list[Face]:
        """Faces that look at the camera in an RGB photo [H, W, 3], left to right; there is one channel order only.

        Where nobody is seen, again with a black margin of half the longer side, as a face that fills the frame needs.
        threshold, score: 0..1, where 0.5 is LIMIT.
        """
        photo = np.ascontiguousarray(photo)
        for margin in (0, max(photo.shape[:2]) // 2):
            canvas = np.pad(photo, ((margin, margin), (margin, margin), (0, 0))) if margin else photo
            boxes, scores, px = self._search(canvas, threshold)
            if boxes:
                facts = {"detector_px": px, "padded": margin > 0}
                pairs = ((box - margin, score) for box, score in zip(boxes, scores, strict=True))
                return sorted((Face(box, None, score, None, **facts) for box, score in pairs), key=find_place)
        return []

    def recognise(self, photo: np.ndarray, face: Face, channel_order: str = "") -> Face:
        """id_embedding: the descriptor [128] at unit length.

        The distance d of two descriptors and the cosine c of these are d^2 = a^2 + b^2 - 2abc, with lengths a and b of
        1.28 to 1.53.
        """
        return replace(face, id_embedding=self._describe(np.ascontiguousarray(photo), face.box))

    def get(self, *_pictures, **_options):
        """What other packs ask for an ID embedding."""
        raise IncompatibleModelError(
            f"{RECOGNISER} serves to compare faces, in 'Likeness Score' and 'evaluate'; its embeddings describe nobody "
            "to an adapter. Load the package buffalo_l."
        )

    def _search(self, photo: np.ndarray, threshold: float) -> tuple[list[np.ndarray], list[float], int]:
        """Boxes [4] in pixels of the photo, their scores 0..1, and the longer side that was searched."""
        scale = min(SEARCHED_PX / max(photo.shape[:2]), LARGEST_ENLARGEMENT)
        width, height = (max(1, round(side * scale)) for side in photo.shape[1::-1])
        picture = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))
        limit = min(max(threshold, LOWEST), 0.99)
        found, scores, _ = self.detector.run(picture, 0, math.log(limit / (1 - limit)) + LIMIT)
        boxes = [np.array([box.left(), box.top(), box.right(), box.bottom()]) / scale for box in found]
        return boxes, [1 / (1 + math.exp(LIMIT - score)) for score in scores], max(width, height)

    def _describe(self, photo: np.ndarray, box: np.ndarray) -> np.ndarray:
        """[128] of unit length, of the face turned upright by its five points and scaled to 150 px, as dlib does it."""
        points = self.landmarks(photo, self.dlib.rectangle(*(round(float(value)) for value in box)))
        descriptor = np.array(self.network.compute_face_descriptor(photo, points), dtype=np.float32)
        return descriptor / np.linalg.norm(descriptor)


def is_dlib_package(folder: Path) -> bool:
    """Whether a folder holds one of dlib's files, and none for onnxruntime."""
    return any((folder / name).is_file() for name in (RECOGNISER, LANDMARKS)) and not any(folder.glob("*.onnx"))


def load_dlib_analysis(folder: Path) -> DlibAnalysis:
    """On the CPU. CheckpointError for a file that is missing or not the known one; MissingPackageError."""
    for file in read_manifest()[MODEL_ID].files:
        _check_file(folder / file.path, file.sha256)
    with needed("dlib-bin", "dlib's face recogniser"):
        import dlib

        parts = dlib.get_frontal_face_detector, dlib.shape_predictor, dlib.face_recognition_model_v1
    detector, landmarks, network = parts
    return DlibAnalysis(dlib, detector(), landmarks(str(folder / LANDMARKS)), network(str(folder / RECOGNISER)))


def _check_file(path: Path, sha256: str | None) -> None:
    advice = read_manifest()[MODEL_ID].advice
    if not path.is_file():
        raise CheckpointError(f"{path.name} is missing in {path.parent}. {advice}")
    if compute_sha256(path) != sha256:
        raise CheckpointError(
            f"{path} is damaged, incomplete or another model: its SHA-256 is not that of dlib's. Delete it. {advice}"
        )
