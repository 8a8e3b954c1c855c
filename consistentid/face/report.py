"""What was found in a photo, in words."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..choices import ALL_FACES
from .face import Face
from .framing import LEAST_SEEN, holds_middle, measure_seen
from .region_words import REGION_WORDS
from .regions import Regions

SMALLEST_WIDTH_PX = 50
"""Width of the face box below which the ID embedding suffers: cosine to that of the same face with more pixels 0.97 at
50 px, 0.90 at 32 px, 0.76 at 24 px (docs/real_photos.md)."""

FIRST = {"left to right": "the leftmost", "highest score": "that of the highest score"}


def report_faces(photo: np.ndarray, faces: list[Face], chosen: list[Face], selection: str, index: int = 0) -> str:
    """One line: how many faces, which of them (at least one) were taken and why, and a warning when one is small."""
    if selection == ALL_FACES:
        reason = selection
    else:
        first = FIRST.get(selection, f"the {selection}")
        reason = first if index == 0 else f"number {index} by '{selection}'"
    taken = "; ".join(_describe_face(face) for face in chosen)
    warnings = (
        _warn_of_small(chosen) + _warn_of_cut(photo, chosen) + _warn_of_half_seen(photo, faces, chosen, selection)
    )
    return f"{len(faces)} found; took {reason}: {taken}.{warnings}"


def describe_regions(regions: Regions, wanted: Iterable[str], omitted: Sequence[str] = ()) -> str:
    """Which regions there are, and which of the wanted keys are missing. omitted: words that are not encoded."""
    found = [REGION_WORDS[key] for key in regions.masks]
    missing = [word for word in dict.fromkeys(REGION_WORDS[key] for key in wanted) if word not in found]
    left_out = f" Left out: {', '.join(omitted)}." if omitted else ""
    return f"Found {', '.join(found)}; missing: {', '.join(missing) or 'none'}.{left_out}"


def _warn_of_small(chosen: list[Face]) -> str:
    width = min(float(face.box[2] - face.box[0]) for face in chosen)
    if width >= SMALLEST_WIDTH_PX:
        return ""
    which = "face" if len(chosen) == 1 else "smallest face"
    return (
        f" The {which} is only {width:.0f} px wide: a larger or closer photo tells more, from {SMALLEST_WIDTH_PX} px."
    )


def _warn_of_cut(photo: np.ndarray, chosen: list[Face]) -> str:
    seen = min(measure_seen(photo, face.box) for face in chosen)
    if seen >= LEAST_SEEN:
        return ""
    which = "the face" if len(chosen) == 1 else "one of the faces"
    return f" The border cuts {which}, {1 - seen:.0%} lies outside: a photo that shows it whole tells more."


def _warn_of_half_seen(photo: np.ndarray, faces: list[Face], chosen: list[Face], selection: str) -> str:
    half_seen = [face for face in faces if not holds_middle(photo, face.box)]
    if any(face in half_seen for face in chosen):
        return " Its middle too: too little is seen to parse it."
    if not half_seen or selection == "left to right":
        return ""
    done = "left out" if selection == ALL_FACES else "put last"
    boxes = ", ".join(_write_box(face) for face in half_seen)
    return f" {len(half_seen)} {done}, with the middle of the face outside the photo: box {boxes}."


def _describe_face(face: Face) -> str:
    words = [f"score {face.score:.2f}", f"box {_write_box(face)}", f"seen at {face.detector_px} px"]
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


def _write_box(face: Face) -> str:
    return str(face.box.round().astype(int).tolist())
