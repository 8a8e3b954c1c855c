"""A face package: a folder of InsightFace's ONNX models, of which only what is wanted is opened, by path."""

import logging
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from ..adapter.config import CONFIGS, SD15
from ..errors import CheckpointError, ConsistentIDError, MissingPackageError
from ..packages import needed
from .dlib_models import DlibAnalysis, is_dlib_package, load_dlib_analysis
from .facenet import FaceNetAnalysis, find_facenet_file, load_facenet
from .onnx_models import AgeModel, Detector, Recogniser, tell_kind

PROVIDERS = {
    "CPU": "CPUExecutionProvider",
    "CUDA": "CUDAExecutionProvider",
    "CoreML": "CoreMLExecutionProvider",
    "DirectML": "DmlExecutionProvider",
}
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
# What a file is called that is tried first, and what its name begins with that is tried next.
NAMES = {
    Detector: (("det_10g.onnx",), ("det_", "scrfd")),
    Recogniser: (tuple(dict.fromkeys(config.recogniser for config in CONFIGS)), ("w600k", "glintr", "arcface")),
}


class FoundFace(dict):
    """A face as insightface gives it to other packs: face["bbox"] or face.bbox, None for what is not known."""

    def __getattr__(self, name):
        return self.get(name)

    def __setattr__(self, name, value):
        self[name] = value

    @property
    def normed_embedding(self) -> np.ndarray | None:
        return None if self.embedding is None else self.embedding / self.embedding_norm

    @property
    def embedding_norm(self) -> np.floating | None:
        return None if self.embedding is None else np.linalg.norm(self.embedding)

    @property
    def sex(self) -> str | None:
        return None if self.gender is None else "FM"[self.gender]


class FaceAnalysis:
    """Detector, recogniser and, if there, age model of a package; other packs use it as they use insightface's.

    models: {"detection" | "recognition" | "genderage": model}; det_model: the detector.
    """

    def __init__(self, models: dict):
        self.models, self.det_model = models, models["detection"]

    def prepare(self, ctx_id: int = 0, det_thresh: float = 0.5, det_size=None) -> None:
        self.det_model.prepare(ctx_id, input_size=det_size, det_thresh=det_thresh)

    def get(self, img: np.ndarray, max_num: int = 0, **_options) -> list[FoundFace]:
        """The faces of a BGR picture, best first, with everything the package can tell."""
        boxes, landmarks = self.det_model.detect(img, max_num=max_num)
        faces = []
        for number, box in enumerate(boxes):
            points = None if landmarks is None else landmarks[number]
            faces.append(FoundFace(bbox=box[:4], kps=points, det_score=box[4]))
            for model in self.models.values():
                if model is not self.det_model:
                    model.get(img, faces[-1])
        return faces


def load_face_analysis(folder: str | Path, provider: str = "auto") -> FaceAnalysis | DlibAnalysis | FaceNetAnalysis:
    """The detector, the recogniser and, if there, the age model of one package, on onnxruntime.

    folder: holds the .onnx files; preferred are those the adapter was trained with, others are opened only where they
    are missing. provider: "auto" takes what onnxruntime prefers, else a key of PROVIDERS. A folder with dlib's files
    alone, or with FaceNet's beside a detector, gives what only compares faces. Never downloads. Raises
    MissingPackageError or CheckpointError.
    """
    folder = Path(folder)
    if is_dlib_package(folder):
        return load_dlib_analysis(folder)
    with needed("onnxruntime", "Face analysis"):
        import onnxruntime

        available = onnxruntime.get_available_providers()  # a folder that an uninstalled build left has none
    there = [file for file in sorted(folder.glob("*.onnx")) if not file.name.startswith(".")]
    files = [file for file in there if file.is_file()]
    facenet = find_facenet_file(folder)
    if not files and facenet:
        raise CheckpointError(
            f"{facenet.name} describes faces and finds none. Put a detector beside it: det_10g.onnx of InsightFace."
        )
    if not files:
        unusable = f" ({', '.join(file.name for file in there)}: no file, or a link to none)" if there else ""
        raise CheckpointError(f"No .onnx models in {folder}{unusable}. Unpack buffalo_l.zip of InsightFace there.")
    _warn_of_two_runtimes()
    providers = _choose_providers(provider, available)
    if PROVIDERS["CUDA"] in providers and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    package = _Package(onnxruntime, providers, files)
    models = {"detection": package.find(Detector), "recognition": package.find(Recogniser)}
    if facenet and models["detection"] and models["recognition"] is None:
        return FaceNetAnalysis(models["detection"], load_facenet(facenet), facenet.name)
    for kind, expected in (("detection", "det_10g.onnx"), ("recognition", SD15.recogniser)):
        if models[kind] is None:
            said = "".join(f" {file.name} could not be read ({why})." for file, why in package.unreadable.items())
            what = {"detection": "detector", "recognition": "recogniser"}[kind]
            names = [file.name for file in files]
            raise CheckpointError(f"No face {what} among {names} in {folder}; expected {expected}.{said}")
    return FaceAnalysis(models | package.find_age_model())


class _Package:
    """The files of a folder, opened when their turn comes; unreadable: {file: why}."""

    def __init__(self, onnxruntime, providers: list[str], files: list[Path]):
        self.onnxruntime, self.providers, self.files = onnxruntime, providers, files
        self.unreadable: dict[Path, str] = {}
        self._kinds: dict[Path, type | None] = {}

    def find(self, kind: type):
        """The model of one kind, by name first; a known name that cannot be read is an error, not passed over."""
        for file, is_known in self._order(kind):
            if self._kinds.get(file, kind) is not kind or file in self.unreadable:
                continue
            session = self._open(file)
            if session is None and is_known:
                raise CheckpointError(
                    f"{file} cannot be read: it is damaged, or the download is incomplete ({self.unreadable[file]}). "
                    "Delete it and unpack the package again."
                )
            if session and self._kinds[file] is kind:
                return kind(file, session)
        return None

    def find_age_model(self) -> dict:
        """{"genderage": model}; nothing where there is none that can be read, as nobody needs it."""
        for file in (file for file in self.files if file.name == "genderage.onnx"):
            session = self._open(file)
            if session is None:
                logging.warning("%s cannot be read, so age and gender stay unknown: %s", file, self.unreadable[file])
            elif self._kinds[file] is AgeModel:
                return {"genderage": AgeModel(file, session)}
        return {}

    def _order(self, kind: type) -> Iterator[tuple[Path, bool]]:
        known, begins = NAMES[kind]
        named = sorted((file for file in self.files if file.name in known), key=lambda file: known.index(file.name))
        likely = [file for file in self.files if file.name.startswith(begins) and file not in named]
        yield from ((file, True) for file in named)
        yield from ((file, False) for file in [*likely, *(f for f in self.files if f not in [*named, *likely])])

    def _open(self, file: Path):
        try:
            session = self._start(file, self.providers)
            self._kinds[file] = tell_kind(session)
            if self._kinds[file] is Detector and self.providers[0] == PROVIDERS["CoreML"]:
                return self._start(file, [PROVIDERS["CPU"]])  # CoreML ends the process with a detector of any size
            return session
        except Exception as error:
            self.unreadable[file] = " ".join(str(error).split())[:200]
            return None

    def _start(self, file: Path, providers: list[str]):
        return self.onnxruntime.InferenceSession(str(file), providers=providers)


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
