"""What was found in a photo, in words."""

import numpy as np

from .analysis import ALL_FACES
from .face import Face

SMALL_SHARE = 0.15  # of the photo's shorter side


def report_faces(photo: np.ndarray, faces: list[Face], chosen: list[Face], selection: str, index: int = 0) -> str:
    """One line: how many faces, which of them (at least one) were taken and why, and a warning when one is small."""
    if selection == ALL_FACES:
        reason = selection
    else:
        reason = f"the {selection}" if index == 0 else f"number {index} by '{selection}'"
    taken = "; ".join(_describe_face(face) for face in chosen)
    return f"{len(faces)} found; took {reason}: {taken}.{_warn_of_small(photo, chosen)}"


def _warn_of_small(photo: np.ndarray, chosen: list[Face]) -> str:
    share = min(float(face.box[2] - face.box[0]) for face in chosen) / min(photo.shape[:2])
    if share >= SMALL_SHARE:
        return ""
    which = "face" if len(chosen) == 1 else "smallest face"
    return f" The {which} is {share:.0%} of the photo's shorter side: a closer photo tells more."


def _describe_face(face: Face) -> str:
    words = [f"box {face.box.round().astype(int).tolist()}", f"seen at {face.detector_px} px"]
    if face.landmarks is not None:
        words.insert(0, f"score {face.score:.2f}")
    if face.padded:
        words.append("with a margin around the photo")
    words.append(f"quality {face.quality:.2f}")
    if face.gender is not None:
        words.append(face.gender)
    if face.age is not None:
        words.append(f"about {face.age} years")
    if face.id_embedding is None:
        words.append("no ID embedding")
    return ", ".join(words)
