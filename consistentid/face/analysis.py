"""Face detection and ID embedding with InsightFace (SCRFD and ArcFace, the buffalo_l package)."""

import logging
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np

from ..adapter.config import CONFIGS, ID_EMBEDDING_WIDTH, SD15
from ..errors import CheckpointError, ConsistentIDError, FaceNotFoundError, IncompatibleModelError, MissingPackageError
from .detector import DETECTOR_SIZES_PX, find_faces
from .face import Face, align_face, align_landmarks, introduce_faces, measure_sharpness
from .framing import LEAST_SEEN, holds_middle, measure_seen
from .photo import check_photo, identify_photo

TASKS = ("detection", "recognition", "genderage")
PROVIDERS = {
    "CPU": "CPUExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "CoreML": "CoreMLExecutionProvider",
    "DirectML": "DmlExecutionProvider",
}
ALL_FACES = "all, left to right"
SELECTIONS = ("largest", "most central", "left to right", "highest score", ALL_FACES)
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")


def load_face_analysis(folder: str | Path, provider: str = "auto"):
    """InsightFace's FaceAnalysis with the detector, the recogniser and, if there, the age model of one package.

    folder: holds the .onnx files. provider: "auto" takes what onnxruntime prefers, else a key of PROVIDERS.
    Never downloads. Raises MissingPackageError, CheckpointError or IncompatibleModelError.
    """
    folder = Path(folder)
    try:
        import onnxruntime
        from insightface.app import FaceAnalysis
    except (ImportError, ValueError, OSError) as error:
        module = (getattr(error, "name", None) or "insightface").partition(".")[0]
        package = {"cv2": "opencv-python"}.get(module, module)
        raise MissingPackageError(package, "Face analysis", error) from error
    files = sorted(file.name for file in folder.glob("*.onnx"))
    if not files:
        raise CheckpointError(f"No .onnx models in {folder}. Unpack buffalo_l.zip of InsightFace there.")
    _warn_of_two_runtimes()
    providers = _choose_providers(provider, onnxruntime.get_available_providers())
    try:
        analysis = FaceAnalysis(name=str(folder.resolve()), providers=providers, allowed_modules=list(TASKS))
    except AssertionError as error:
        raise CheckpointError(f"No face detector among {files} in {folder}; expected det_10g.onnx.") from error
    except Exception as error:
        raise CheckpointError(f"InsightFace cannot read the models in {folder} ({files}): {error}") from error
    if "recognition" not in analysis.models:
        raise CheckpointError(f"No face recogniser among {files} in {folder}; expected {SD15.recogniser}.")
    analysis.prepare(ctx_id=0, det_size=(DETECTOR_SIZES_PX[0],) * 2)
    return analysis


def detect_faces(
    analysis, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR", any_recogniser: bool = False
) -> list[Face]:
    """All faces of an RGB photo [H, W, 3], left to right; see find_faces for what is tried when there are none.

    analysis: InsightFace's FaceAnalysis, of this pack or another; left as found. channel_order: what it is given.
    "BGR" is what it and the training data use; "RGB" reproduces the released SD1.5 inference code. any_recogniser:
    also embeddings that ConsistentID cannot use, for comparing faces; without it they raise IncompatibleModelError.
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
    counts as half as wide.
    """
    height, width = photo.shape[:2]
    middle = np.array([width, height]) / 2
    orders = {
        "largest": lambda face: -face.area / (4 if measure_seen(photo, face.box) < LEAST_SEEN else 1),
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


def _left_to_right(face: Face) -> float:
    return float(face.box[0] + face.box[2])


def _name_recogniser(analysis) -> str:
    recogniser = analysis.models.get("recognition")
    if recogniser is None:
        raise IncompatibleModelError("This face analysis has no face recogniser. Load the package buffalo_l.")
    return Path(getattr(recogniser, "model_file", None) or "").name


def _warn_of_two_runtimes() -> None:
    """onnxruntime's builds share one folder: with two installed, the provider depends on which came last."""
    builds = [name for name in RUNTIMES if _is_installed(name)]
    if len(builds) > 1:
        logging.warning(
            "%s are installed together, so face analysis may run on the wrong device. Uninstall all of them and "
            "install the one you need.",
            " and ".join(builds),
        )


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _choose_providers(provider: str, available: list[str]) -> list[str]:
    if provider == "auto":
        order = ("CUDA", "CoreML", "DirectML")
        return [PROVIDERS[name] for name in order if PROVIDERS[name] in available] + [PROVIDERS["CPU"]]
    if provider not in PROVIDERS:
        raise ConsistentIDError(f"Unknown provider '{provider}'; choose auto, {', '.join(PROVIDERS)}.")
    if PROVIDERS[provider] not in available:
        raise MissingPackageError(
            {"CUDA": "onnxruntime-gpu", "DirectML": "onnxruntime-directml"}.get(provider, "onnxruntime"),
            f"The provider {provider} (this onnxruntime offers {', '.join(available)})",
        )
    return list(dict.fromkeys((PROVIDERS[provider], PROVIDERS["CPU"])))


def _recognise_face(analysis, pixels: np.ndarray, face: Face) -> Face:
    """The face with its ID embedding and, if the package can tell, age and gender."""
    from insightface.app.common import Face as Answers

    answers = Answers(bbox=face.box, kps=face.landmarks, det_score=face.score)
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
    return replace(face, id_embedding=embedding, age=answers.age, gender=gender)
