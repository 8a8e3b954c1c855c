"""Face detection and ID embedding with InsightFace (SCRFD and ArcFace, the buffalo_l package)."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..adapter.config import CONFIGS, ID_EMBEDDING_WIDTH, SD15
from ..errors import ConsistentIDError, FaceNotFoundError, IncompatibleModelError
from .detector import find_faces
from .dlib_models import DlibAnalysis
from .face import Face, align_face, align_landmarks, introduce_faces, measure_sharpness
from .framing import LEAST_SEEN, holds_middle, measure_seen
from .package import PROVIDERS, FoundFace, load_face_analysis
from .photo import check_photo, identify_photo

__all__ = ("PROVIDERS", "Face", "align_face", "load_face_analysis")

ALL_FACES = "all, left to right"
UNSURE = 0.2
"""Faces of lower scores count as half as wide: of a cascade those that the fewest windows find (face/cascade.py)."""
SELECTIONS = ("largest", "most central", "left to right", "highest score", ALL_FACES)


def detect_faces(
    analysis, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR", any_recogniser: bool = False
) -> list[Face]:
    """All faces of an RGB photo [H, W, 3], left to right; see find_faces for what is tried when there are none.

    analysis: of load_face_analysis, or insightface's own of another pack (0.7.3 or newer); left as found.
    channel_order: what it is given. "BGR" is what it and the training data use; "RGB"
    reproduces the released SD1.5 inference code. any_recogniser: also embeddings that ConsistentID cannot use, for
    comparing faces; without it they raise IncompatibleModelError.
    """
    if channel_order not in ("BGR", "RGB"):
        raise ConsistentIDError(f"Unknown channel order '{channel_order}'; choose BGR or RGB.")
    check_photo(photo)
    recogniser = _name_recogniser(analysis)
    if not any_recogniser and recogniser not in ("", *(config.recogniser for config in CONFIGS)):
        raise IncompatibleModelError(
            f"This face analysis recognises faces with {recogniser}, whose embeddings live in another space; "
            f"ConsistentID was trained on {SD15.recogniser}. Load the package buffalo_l."
        )
    if isinstance(analysis, DlibAnalysis):
        return introduce_faces(sorted(analysis.find_faces(photo, threshold), key=_left_to_right))
    origin = identify_photo(photo)
    pixels = np.ascontiguousarray(photo[:, :, ::-1]) if channel_order == "BGR" else photo
    faces = [
        replace(
            _recognise_face(analysis, pixels, face),
            recogniser=recogniser,
            photo=origin,
            sharpness=measure_sharpness(align_face(photo, face)),
        )
        for face in find_faces(analysis.det_model, pixels, threshold)
    ]
    return introduce_faces(sorted(faces, key=_left_to_right))


def select_faces(faces: list[Face], photo: np.ndarray, selection: str = "largest", index: int = 0) -> list[Face]:
    """For ALL_FACES every face whose middle is in the photo, else the one that select_face takes.

    FaceNotFoundError when there is none.
    """
    if selection != ALL_FACES or not faces:
        return [select_face(faces, photo, "left to right" if selection == ALL_FACES else selection, index)]
    seen = [face for face in faces if holds_middle(photo, face.box)]
    if not seen:
        raise FaceNotFoundError(
            f"Of {len(faces)} found in the photo ({photo.shape[1]}x{photo.shape[0]}) no face has its middle in it. "
            "Use a photo that shows the whole head."
        )
    return sorted(seen, key=_left_to_right)


def select_face(faces: list[Face], photo: np.ndarray, selection: str = "largest", index: int = 0) -> Face:
    """The index-th face, from 0, by the given order: size, nearness to the middle, position or score.

    Those whose middle lies outside the photo come last, except by position. By size, a face that the border cuts
    counts as half as wide, and so does an unsure one.
    """
    height, width = photo.shape[:2]
    middle = np.array([width, height]) / 2
    orders = {
        "largest": lambda face: _judge_size(face, photo),
        "most central": lambda face: float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - middle)),
        "left to right": _left_to_right,
        "highest score": lambda face: -face.score,
    }
    if selection not in orders or index < 0:
        raise ConsistentIDError(f"No face by '{selection}', number {index}; choose {', '.join(orders)}, from 0.")
    if not faces:
        raise FaceNotFoundError(
            f"No face found in the photo ({width}x{height}). Use a sharper, frontal photo with room around the head; "
            "where the face is a small part of the photo, crop it to the person."
        )
    if index >= len(faces):
        found, choice = ("1 face", "0") if len(faces) == 1 else (f"{len(faces)} faces", f"from 0 to {len(faces) - 1}")
        raise FaceNotFoundError(
            f"Index {index} is too high: {found} found in the photo ({width}x{height}), counted from 0. "
            f"Choose {choice}."
        )
    ordered = sorted(faces, key=orders[selection])
    if selection != "left to right":
        ordered.sort(key=lambda face: not holds_middle(photo, face.box))
    return ordered[index]


def _judge_size(face: Face, photo: np.ndarray) -> float:
    doubts = (measure_seen(photo, face.box) < LEAST_SEEN) + (face.score < UNSURE)
    return -face.area / 4**doubts


def _left_to_right(face: Face) -> float:
    return float(face.box[0] + face.box[2])


def _name_recogniser(analysis) -> str:
    recogniser = analysis.models.get("recognition")
    if recogniser is None:
        raise IncompatibleModelError("This face analysis has no face recogniser. Load the package buffalo_l.")
    return Path(getattr(recogniser, "model_file", None) or "").name


def _recognise_face(analysis, pixels: np.ndarray, face: Face) -> Face:
    """The face with its ID embedding and, if the package can tell, age and gender."""
    answers = FoundFace(bbox=face.box, kps=face.landmarks, det_score=face.score)
    recogniser = analysis.models["recognition"]
    answers.embedding = recogniser.get_feat(align_landmarks(pixels, face.landmarks, recogniser.input_size[0]))[0]
    if "genderage" in analysis.models:
        analysis.models["genderage"].get(pixels, answers)
    embedding = np.asarray(answers.normed_embedding, dtype=np.float32)
    if embedding.shape != (ID_EMBEDDING_WIDTH,):
        raise IncompatibleModelError(
            f"The face recogniser gives embeddings of shape {embedding.shape}; ConsistentID needs "
            f"{ID_EMBEDDING_WIDTH} values from buffalo_l's w600k_r50.onnx."
        )
    gender = {"F": "female", "M": "male"}.get(answers.sex)
    if not np.isfinite(embedding).all():
        raise IncompatibleModelError(
            "The face recogniser gives an ID embedding that holds no numbers (NaN). Its file may be damaged: get the "
            "face analysis package again."
        )
    return replace(face, id_embedding=embedding, age=answers.age, gender=gender)
