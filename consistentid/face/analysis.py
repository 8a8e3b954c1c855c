"""Face detection and ID embedding with InsightFace (SCRFD and ArcFace, the buffalo_l package)."""

import logging
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from ..adapter.config import ID_EMBEDDING_WIDTH
from ..errors import CheckpointError, ConsistentIDError, FaceNotFoundError, IncompatibleModelError, MissingPackageError
from .photo import check_photo

DETECTION_PX = 640
PROVIDERS = {
    "CPU": "CPUExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "CoreML": "CoreMLExecutionProvider",
    "DirectML": "DmlExecutionProvider",
}
# Recognisers of InsightFace's other packages: antelopev2, buffalo_s and buffalo_sc.
OTHER_RECOGNISERS = {"glintr100.onnx", "w600k_mbf.onnx"}
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
SELECTIONS = ("largest", "most central", "left to right", "highest score")


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    box: [x0, y0, x1, y1] in pixels; landmarks: [5, 2] pixels (eyes, nose, mouth corners); score: 0..1.
    id_embedding: ArcFace embedding [512] of unit length, None when the person goes without one.
    """

    box: np.ndarray
    landmarks: np.ndarray
    score: float
    id_embedding: np.ndarray | None

    @property
    def area(self) -> float:
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


def load_face_analysis(folder: str | Path, provider: str = "auto"):
    """InsightFace's FaceAnalysis with the detector and the recogniser of one model package.

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
    foreign = OTHER_RECOGNISERS.intersection(files)
    if foreign:
        raise _foreign_recogniser(folder.name, ", ".join(foreign))
    _warn_of_two_runtimes()
    providers = _choose_providers(provider, onnxruntime.get_available_providers())
    try:
        analysis = FaceAnalysis(
            name=str(folder.resolve()), providers=providers, allowed_modules=["detection", "recognition"]
        )
    except AssertionError as error:
        raise CheckpointError(f"No face detector among {files} in {folder}; expected det_10g.onnx.") from error
    except Exception as error:
        raise CheckpointError(f"InsightFace cannot read the models in {folder} ({files}): {error}") from error
    if "recognition" not in analysis.models:
        raise CheckpointError(f"No face recogniser among {files} in {folder}; expected w600k_r50.onnx.")
    analysis.prepare(ctx_id=0, det_size=(DETECTION_PX, DETECTION_PX))
    return analysis


def detect_faces(analysis, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR") -> list[Face]:
    """All faces of an RGB photo [H, W, 3], left to right.

    channel_order: what InsightFace is given. "BGR" is what it and the training data use; "RGB" reproduces the
    released SD1.5 inference code.
    """
    if channel_order not in ("BGR", "RGB"):
        raise ConsistentIDError(f"Unknown channel order '{channel_order}'; choose BGR or RGB.")
    check_photo(photo)
    recogniser = Path(getattr(getattr(analysis, "models", {}).get("recognition"), "model_file", None) or "").name
    if recogniser in OTHER_RECOGNISERS:
        raise _foreign_recogniser("The face analysis", recogniser)
    pixels = np.ascontiguousarray(photo[:, :, ::-1]) if channel_order == "BGR" else photo
    detector = analysis.det_model
    usual, detector.det_thresh = detector.det_thresh, threshold
    try:
        faces = [_convert_face(face) for face in analysis.get(pixels)]
    finally:
        detector.det_thresh = usual
    return sorted(faces, key=lambda face: float(face.box[0] + face.box[2]))


def select_face(faces: list[Face], photo: np.ndarray, selection: str = "largest", index: int = 0) -> Face:
    """The index-th face by the given order: size, nearness to the middle, position or score."""
    height, width = photo.shape[:2]
    middle = np.array([width, height]) / 2
    orders = {
        "largest": lambda face: -face.area,
        "most central": lambda face: float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - middle)),
        "left to right": lambda face: float(face.box[0] + face.box[2]),
        "highest score": lambda face: -face.score,
    }
    if selection not in orders or index < 0:
        raise ConsistentIDError(f"No face by '{selection}', number {index}; choose {', '.join(orders)}, from 0.")
    ordered = sorted(faces, key=orders[selection])
    if index >= len(ordered):
        found = "no face" if not faces else f"{len(faces)} face{'s' if len(faces) > 1 else ''}"
        raise FaceNotFoundError(
            f"Face {index} by '{selection}' was asked for; {found} found in the photo ({width}x{height})."
        )
    return ordered[index]


def align_face(photo: np.ndarray, face: Face, side_px: int = 112) -> np.ndarray:
    """The face as the recogniser sees it: RGB uint8 [side_px, side_px, 3], rotated and scaled by the landmarks."""
    from insightface.utils.face_align import norm_crop

    return norm_crop(photo, face.landmarks, side_px)


def _foreign_recogniser(owner: str, name: str) -> IncompatibleModelError:
    return IncompatibleModelError(
        f"{owner} recognises faces with {name}, whose embeddings live in another space; ConsistentID was trained on "
        "w600k_r50.onnx. Use the package buffalo_l."
    )


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


def _convert_face(face) -> Face:
    embedding = np.asarray(face.normed_embedding, dtype=np.float32)
    if embedding.shape != (ID_EMBEDDING_WIDTH,):
        raise IncompatibleModelError(
            f"The face recogniser gives embeddings of shape {embedding.shape}; ConsistentID needs "
            f"{ID_EMBEDDING_WIDTH} values from buffalo_l's w600k_r50.onnx."
        )
    return Face(np.asarray(face.bbox), np.asarray(face.kps), float(face.det_score), embedding)
