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
        if channel_order not in CHANNEL_ORDERS:
            raise ConsistentIDError(f"Unknown channel order '{channel_order}'; choose BGR or RGB.")
        pixels = np.ascontiguousarray(photo[:, :, ::-1]) if channel_order == "BGR" else photo
        faces = find_faces(self.analysis.det_model, pixels, threshold)
        return sorted((_recognise_face(self.analysis, pixels, face) for face in faces), key=find_place)


def as_face_source(given: Any) -> FaceSource:
    """InsightFace's analysis, which has `models` whatever else another pack gave it, by InsightFaces; others as they
    are."""
    return InsightFaces(given) if hasattr(given, "models") else given


def _recognise_face(analysis, pixels: np.ndarray, face: Face) -> Face:
    """The face with its ID embedding and, if the package can tell, age and gender."""
    answers = FoundFace(bbox=face.box, kps=face.landmarks, det_score=face.score)
    recogniser = analysis.models["recognition"]
    landmarks = cast(np.ndarray, face.landmarks)  # the detector gives them, or there is no face
    answers.embedding = recogniser.get_feat(align_landmarks(pixels, landmarks, recogniser.input_size[0]))[0]
    if "genderage" in analysis.models:
        analysis.models["genderage"].get(pixels, answers)
    embedding = np.asarray(answers.normed_embedding, dtype=np.float32)
    if embedding.shape != (ID_EMBEDDING_WIDTH,):
        raise IncompatibleModelError(
            f"The face recogniser gives embeddings of shape {embedding.shape}; ConsistentID needs "
            f"{ID_EMBEDDING_WIDTH} values from buffalo_l's w600k_r50.onnx."
        )
    gender = {"F": "female", "M": "male"}.get(answers.sex or "")
    if not np.isfinite(embedding).all():
        raise IncompatibleModelError(
            "The face recogniser gives an ID embedding that holds no numbers (NaN). Its file may be damaged: get the "
            "face analysis package again."
        )
    return replace(face, id_embedding=embedding, age=answers.age, gender=gender)
