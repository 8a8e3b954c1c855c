"""Which of the faces in a photo are taken."""

import numpy as np

from ..choices import ALL_FACES, FACE_ORDERS
from ..errors import ConsistentIDError, FaceNotFoundError
from .face import Face
from .framing import LEAST_SEEN, holds_middle, measure_seen

UNSURE = 0.2
"""Faces of lower scores count as half as wide: of a cascade those that the fewest windows find (face/cascade.py)."""


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
    return sorted(seen, key=find_place)


def select_face(faces: list[Face], photo: np.ndarray, selection: str = "largest", index: int = 0) -> Face:
    """The index-th face, from 0, by one of FACE_ORDERS.

    FaceNotFoundError when there is none, or none of that index.
    """
    height, width = photo.shape[:2]
    if selection not in FACE_ORDERS or index < 0:
        raise ConsistentIDError(f"No face by '{selection}', number {index}; choose {', '.join(FACE_ORDERS)}, from 0.")
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
    return order_faces(faces, photo, selection)[index]


def order_faces(faces: list[Face], photo: np.ndarray, order: str) -> list[Face]:
    """By size, nearness to the middle, position or score, as FACE_ORDERS names them.

    Those whose middle lies outside the photo come last, except by position. By size, a face that the border cuts
    counts as half as wide, and so does an unsure one.
    """
    middle = np.array([photo.shape[1], photo.shape[0]]) / 2
    keys = {
        "largest": lambda face: _judge_size(face, photo),
        "most central": lambda face: float(np.linalg.norm((face.box[:2] + face.box[2:]) / 2 - middle)),
        "left to right": find_place,
        "highest score": lambda face: -face.score,
    }
    ordered = sorted(faces, key=keys[order])
    if order != "left to right":
        ordered.sort(key=lambda face: not holds_middle(photo, face.box))
    return ordered


def rank_faces(faces: list[Face], photo: np.ndarray) -> tuple[list[Face], dict[str, list[int]]]:
    """The faces from left to right, and {order of FACE_ORDERS: their places among these}."""
    placed = order_faces(faces, photo, "left to right")
    orders = {name: [placed.index(face) for face in order_faces(placed, photo, name)] for name in FACE_ORDERS}
    return placed, orders


def find_place(face: Face) -> float:
    """A number that grows from left to right."""
    return float(face.box[0] + face.box[2])


def _judge_size(face: Face, photo: np.ndarray) -> float:
    doubts = (measure_seen(photo, face.box) < LEAST_SEEN) + (face.score < UNSURE)
    return -face.area / 4**doubts
