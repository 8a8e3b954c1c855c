"""Looking for the chosen faces of one photo, and what to do when there is none."""

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ..consistentid.errors import FaceNotFoundError
from ..consistentid.face.analysis import detect_faces, select_faces
from ..consistentid.face.cascade import FaceCascade
from ..consistentid.face.face import Face, align_face, introduce_faces
from ..consistentid.face.landmarks import draw_landmarks
from ..consistentid.face.preview import draw_faces
from ..consistentid.face.report import report_faces
from .boundary.layout import make_preview, read_photo

ON_NO_FACE = ("error", "continue without ID embedding", "skip")


class Item(NamedTuple):
    """One face, None where there is no ID embedding, and the pictures that go with it."""

    face: Face | None
    preview: Tensor
    crop: Tensor
    landmarks: Tensor
    photo: Tensor


class Found(NamedTuple):
    """What one photo gave. items: its chosen faces. line: for the report. faces: all, None if it is too small."""

    items: list[Item]
    line: str
    faces: list[Face] | None


class Search(NamedTuple):
    """Whom to look for in each photo. source: InsightFace's FaceAnalysis, or a FaceCascade."""

    source: Any
    select: str
    index: int
    threshold: float
    on_no_face: str
    channel_order: str

    def take_faces(self, picture: Tensor, where: str) -> Found:
        """The chosen faces of an IMAGE with one photo; the line for the report starts with `where`."""
        faces = []
        try:
            photo = read_photo(picture)
        except FaceNotFoundError as error:
            return Found([], self._leave_out(error, where, None), None)
        try:
            faces = self._find_faces(photo)
            chosen = select_faces(faces, photo, self.select, self.index)
        except FaceNotFoundError as error:
            if self.on_no_face != "continue without ID embedding":
                return Found([], self._leave_out(error, where, faces), faces)
            chosen = []
            line = f"{error} No ID embedding."
        else:
            line = report_faces(photo, faces, chosen, self.select, self.index)
        landmarks = make_preview(draw_landmarks(*photo.shape[:2], chosen))
        items = [_make_item(picture, photo, faces, face, landmarks) for face in chosen or [None]]
        return Found(items, where + line, faces)

    def _leave_out(self, error: FaceNotFoundError, where: str, faces: list[Face] | None) -> str:
        if self.on_no_face == "error":
            raise FaceNotFoundError(f"{where}{error} {self._advise(faces)}") from error
        return f"{where}{error} Left out."

    def _find_faces(self, photo: np.ndarray) -> list[Face]:
        if isinstance(self.source, FaceCascade):
            return introduce_faces(self.source.find_faces(photo))
        return detect_faces(self.source, photo, self.threshold, self.channel_order)

    def _advise(self, faces: list[Face] | None) -> str:
        """What else can be done. faces: all of the photo, None if it is too small."""
        if faces is None:
            return "Or set on_no_face to 'skip'."
        has_threshold = not faces and not isinstance(self.source, FaceCascade)
        lower = f"lower the threshold (now {self.threshold:.2f}), or " if has_threshold else ""
        return f"Or {lower}set on_no_face to 'skip' or 'continue without ID embedding'."


def _make_item(picture: Tensor, photo: np.ndarray, faces: list[Face], face: Face | None, landmarks: Tensor) -> Item:
    marked = draw_faces(photo, faces, face)
    crop = photo if face is None else align_face(photo, face)
    return Item(face, make_preview(marked), make_preview(crop), landmarks, picture)
