"""`python tests/real/fetch.py [FOLDER]`: real face models and photos that packages ship, for the tests in this folder.

pip and npm fetch the packages from where they are set up to look; of each only the files named here are kept, and
refused if their SHA-256 differs. 44 MB stay, of 154 MB fetched. The detector's and the recogniser's terms forbid
commercial use or are not stated: the files stay out of the repository. dlib's are CC0; tests of them also need the
package, which is not fetched here: `python -m pip install dlib-bin==20.0.1.post1`. Default folder:
CONSISTENTID_REAL_MODELS, or .cache/real_models.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(os.environ.get("CONSISTENTID_REAL_MODELS", Path(__file__).resolve().parents[2] / ".cache/real_models"))
PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:")
NPM = ("npm", "pack", "--silent")
DLIB = "face_recognition_models-0.3.0/face_recognition_models/models"
PHOTOS = "face_recognition-1.3.0/tests/test_images"


class Piece(NamedTuple):
    """A file of a package: its path in the archive, and what its SHA-256 begins with."""

    command: tuple[str, ...]
    package: str
    path: str
    sha256: str


PIECES = {
    "package/det_10g.onnx": Piece(PIP, "scrfd==0.3.0", "scrfd-0.3.0/models/scrfd.onnx", "9c162a817c7dd32d35d1f1c6"),
    "package/fr_feature.onnx": Piece(
        NPM, "faceplugin-face-recognition-js@0.0.1", "package/model/fr_feature.onnx", "87aacdfe57510db2af90c025"
    ),
    "dlib/dlib_face_recognition_resnet_model_v1.dat": Piece(
        PIP,
        "face-recognition-models==0.3.0",
        f"{DLIB}/dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546b",
    ),
    "dlib/shape_predictor_5_face_landmarks.dat": Piece(
        PIP,
        "face-recognition-models==0.3.0",
        f"{DLIB}/shape_predictor_5_face_landmarks.dat",
        "c4b1e9804792707d3a405c2c",
    ),
    "photos/obama/1.jpg": Piece(PIP, "face_recognition==1.3.0", f"{PHOTOS}/obama.jpg", "0930e3aa8cae5920329c0c8c"),
    "photos/obama/2.jpg": Piece(PIP, "face_recognition==1.3.0", f"{PHOTOS}/obama2.jpg", "a7efcc907375274796f39646"),
    "photos/obama/3.jpg": Piece(PIP, "face_recognition==1.3.0", f"{PHOTOS}/obama3.jpg", "76ac6bf97c36dc2da0ad16a5"),
    "photos/biden/1.jpg": Piece(PIP, "face_recognition==1.3.0", f"{PHOTOS}/biden.jpg", "3c17508bb91554c637a2eabd"),
    "photos/groups/solvay.jpg": Piece(
        PIP, "scrfd==0.3.0", "scrfd-0.3.0/images/solvay_conference_1927.jpg", "ae76a5be54f53cca50074a0d"
    ),
}


def fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as part:
        for command, package in dict.fromkeys((piece.command, piece.package) for piece in PIECES.values()):
            archive = _download(command, package, Path(part))
            with tarfile.open(archive) as tar:
                for name, piece in PIECES.items():
                    if piece.package == package:
                        _keep(tar, piece, folder / name)


def _download(command: tuple[str, ...], package: str, folder: Path) -> Path:
    before = set(folder.iterdir())
    subprocess.run([*command, package], cwd=folder, check=True)
    (archive,) = set(folder.iterdir()) - before
    return archive


def _keep(tar: tarfile.TarFile, piece: Piece, path: Path) -> None:
    data = tar.extractfile(piece.path).read()
    found = hashlib.sha256(data).hexdigest()
    if not found.startswith(piece.sha256):
        raise SystemExit(f"{piece.path} of {piece.package} has SHA-256 {found}, expected {piece.sha256}... Not kept.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    shutil.move(part, path)
    print(path)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
