"""Photos -> faces: find, select, recognise, report, and what to do where there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..adapter.config import CONFIGS, SD15
from ..choices import GO_ON, STOP
from ..errors import FaceNotFoundError, IncompatibleModelError
from .analysis import as_face_source
from .face import Face, align_face, introduce_faces, measure_sharpness
from .landmarks import draw_landmarks
from .photo import check_photo, hash_photo
from .preview import draw_faces
from .report import report_faces
from .selection import select_faces


def detect_faces(
    source: Any, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR", any_recogniser: bool = False
) -> list[Face]:
    """All faces that find_faces gives, each with its ID embedding, which takes the longest; arguments as there."""
    faces = find_faces(source, photo, threshold, channel_order, any_recogniser)
    return [recognise_face(source, photo, face, channel_order) for face in faces]


def find_faces(
    source: Any, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR", any_recogniser: bool = False
) -> list[Face]:
    """All faces of an RGB photo [H, W, 3], left to right, each with its sharpness, its photo and its neighbours.

    source: a FaceSource, or InsightFace's analysis; threshold, channel_order: see there. any_recogniser: one of another
    embedding space too, to compare faces; without it that is an IncompatibleModelError. FaceNotFoundError for a photo
    too small or too narrow to hold a face.
    """
    source = as_face_source(source)
    check_photo(photo)
    if not any_recogniser and source.recogniser not in ("", *(config.recogniser for config in CONFIGS)):
        raise IncompatibleModelError(
            f"This face analysis recognises faces with {source.recogniser}, whose embeddings live in another space; "
            f"ConsistentID was trained on {SD15.recogniser}. Load the package buffalo_l."
        )
    name = hash_photo(photo)
    faces = source.find_faces(photo, threshold, channel_order)
    return introduce_faces(
        [replace(face, sharpness=measure_sharpness(align_face(photo, face)), photo=name) for face in faces]
    )


def recognise_face(source: Any, photo: np.ndarray, face: Face, channel_order: str = "BGR") -> Face:
    """A face that the source found in the photo, with its ID embedding where the source makes any."""
    source = as_face_source(source)
    return replace(source.recognise(photo, face, channel_order), recogniser=source.recogniser)


@dataclass(frozen=True, eq=False)
class Found:
    """What one photo gave.

    faces: all of it, None if it is too small for one. chosen: those taken, and alone recognised; one None where it goes
    on without a face, nothing where the photo is left out. line: for a report.
    """

    photo: np.ndarray
    faces: list[Face] | None
    chosen: list[Face | None]
    line: str

    def mark(self, face: Face | None) -> np.ndarray:
        """The photo with all faces boxed, one of the chosen in green."""
        return draw_faces(self.photo, self.faces or [], face)

    def crop(self, face: Face | None) -> np.ndarray:
        """The face as the recogniser sees it; without one the photo."""
        return self.photo if face is None else align_face(self.photo, face)

    def draw_landmarks(self) -> np.ndarray:
        """Those of all chosen faces; see landmarks.draw_landmarks."""
        height, width = self.photo.shape[:2]
        return draw_landmarks(height, width, [face for face in self.chosen if face is not None])


@dataclass(frozen=True)
class FaceSearch:
    """Whom to look for in each photo. source, threshold, channel_order: as for detect_faces; select, index: as for
    select_faces."""

    source: Any
    select: str = "largest"
    index: int = 0
    threshold: float = 0.5
    channel_order: str = "BGR"

    def find(self, photo: np.ndarray) -> Found:
        """The chosen faces of an RGB photo [H, W, 3]; FaceNotFoundError when there is none."""
        return self._choose(photo, self._detect(photo))

    def try_photo(self, photo: np.ndarray, on_no_face: str, where: str = "") -> Found:
        """The same with one of ON_NO_FACE for a photo without the wanted face; the line starts with `where`."""
        faces = None
        try:
            check_photo(photo)
            faces = []
            faces = self._detect(photo)
            found = self._choose(photo, faces)
            return replace(found, line=where + found.line)
        except FaceNotFoundError as error:
            if on_no_face == STOP:
                raise FaceNotFoundError(f"{where}{error} {self._advise(faces)}") from error
            if on_no_face == GO_ON and faces is not None:
                return Found(photo, faces, [None], f"{where}{error} No ID embedding.")
            return Found(photo, faces, [], f"{where}{error} Left out.")

    def _detect(self, photo: np.ndarray) -> list[Face]:
        return find_faces(self.source, photo, self.threshold, self.channel_order)

    def _choose(self, photo: np.ndarray, faces: list[Face]) -> Found:
        selected = select_faces(faces, photo, self.select, self.index)
        chosen = [recognise_face(self.source, photo, face, self.channel_order) for face in selected]
        places = {id(face): known for face, known in zip(selected, chosen, strict=True)}
        faces = [places.get(id(face), face) for face in faces]
        return Found(photo, faces, list(chosen), report_faces(photo, faces, chosen, self.select, self.index))

    def _advise(self, faces: list[Face] | None) -> str:
        """What else can be done. faces: all of the photo, None if it is too small."""
        if faces is None:
            return "Or set on_no_face to 'skip'."
        has_threshold = not faces and as_face_source(self.source).has_threshold
        lower = f"lower the threshold (now {self.threshold:.2f}), or " if has_threshold else ""
        return f"Or {lower}set on_no_face to 'skip' or 'continue without ID embedding'."


def search_photos(
    search: FaceSearch,
    photos: Sequence[np.ndarray],
    on_no_face: str = STOP,
    on_photo: Callable[[], None] = lambda: None,
) -> list[Found]:
    """What each of several RGB photos [H, W, 3] gave, of any sizes.

    on_no_face: of ON_NO_FACE. on_photo is called before each photo; what it raises ends the search. FaceNotFoundError
    when no photo is left, or for the first without the wanted face where that is to stop.
    """
    found = []
    for number, photo in enumerate(photos, 1):
        on_photo()
        where = f"Photo {number} of {len(photos)}: " if len(photos) > 1 else ""
        found.append(search.try_photo(photo, on_no_face, where))
    if not any(one.chosen for one in found):
        raise FaceNotFoundError("\n".join(["No photo is left.", *(one.line for one in found)]))
    return found
