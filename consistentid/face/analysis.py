"""Face detection and ID embedding with InsightFace (SCRFD and ArcFace, the buffalo_l package)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..adapter.config import ID_EMBEDDING_WIDTH
from ..choices import CHANNEL_ORDERS
from ..errors import ConsistentIDError, IncompatibleModelError
from ..ports import FaceSource
from .detector import find_faces
from .face import Face, align_landmarks
from .package import FoundFace
from .selection import find_place


@dataclass(frozen=True, eq=False)
class InsightFaces:
    """A FaceSource with ID embeddings; see detector.find_faces for what is tried when nobody is seen.

    analysis: of load_face_analysis, or insightface's own of another pack (0.7.3 or newer); left as found. The channel
    order "BGR" is what the training data used; "RGB" reproduces the released SD1.5 inference code.
    """

    analysis: Any
    has_threshold = True

    @property
    def recogniser(self) -> str:
        """IncompatibleModelError for an analysis without one."""
        recogniser = self.analysis.models.get("recognition")
        if recogniser is None:
            raise IncompatibleModelError("This face analysis has no face recogniser. Load the package buffalo_l.")
        return Path(getattr(recogniser, "model_file", None) or "").name

    def find_faces(self, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR") -> list[Face]:
        pixels = _order_channels(photo, channel_order)
        faces = find_faces(self.analysis.det_model, pixels, threshold)
        return sorted((_judge_age(self.analysis, pixels, face) for face in faces), key=find_place)

    def recognise(self, photo: np.ndarray, face: Face, channel_order: str = "BGR") -> Face:
        recogniser = self.analysis.models["recognition"]
        landmarks = cast(np.ndarray, face.landmarks)  # the detector gives them, or there is no face
        crop = _order_channels(align_landmarks(photo, landmarks, recogniser.input_size[0]), channel_order)
        answer = FoundFace(embedding=recogniser.get_feat(crop)[0])
        return replace(face, id_embedding=_check_embedding(np.asarray(answer.normed_embedding, dtype=np.float32)))


def as_face_source(given: Any) -> FaceSource:
    """InsightFace's analysis, which has `models` whatever else another pack gave it, by InsightFaces; others as they
    are."""
    return InsightFaces(given) if hasattr(given, "models") else given


def _order_channels(photo: np.ndarray, channel_order: str) -> np.ndarray:
    if channel_order not in CHANNEL_ORDERS:
        raise ConsistentIDError(f"Unknown channel order '{channel_order}'; choose BGR or RGB.")
    return np.ascontiguousarray(photo[:, :, ::-1]) if channel_order == "BGR" else photo


def _judge_age(analysis, pixels: np.ndarray, face: Face) -> Face:
    """The face with age and gender, if the package can tell."""
    if "genderage" not in analysis.models:
        return face
    answers = FoundFace(bbox=face.box, kps=face.landmarks, det_score=face.score)
    analysis.models["genderage"].get(pixels, answers)
    return replace(face, age=answers.age, gender={"F": "female", "M": "male"}.get(answers.sex or ""))


def _check_embedding(embedding: np.ndarray) -> np.ndarray:
    """An ID embedding [512]; IncompatibleModelError for what is none."""
    if embedding.shape != (ID_EMBEDDING_WIDTH,):
        raise IncompatibleModelError(
            f"The face recogniser gives embeddings of shape {embedding.shape}; ConsistentID needs "
            f"{ID_EMBEDDING_WIDTH} values from buffalo_l's w600k_r50.onnx."
        )
    if not np.isfinite(embedding).all():
        raise IncompatibleModelError(
            "The face recogniser gives an ID embedding that holds no numbers (NaN). Its file may be damaged: get the "
            "face analysis package again."
        )
    return embedding
