"""Likeness: the cosine between the ID embeddings of a person's photos and of the faces in pictures.

One recogniser at a time. A recogniser that also conditions the pictures flatters them; measure with a second one too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import FaceNotFoundError
from ..face.face import Face, require_embedding
from ..face.search import find_faces, recognise_face
from ..face.selection import select_face


@dataclass(frozen=True, eq=False)
class Reference:
    """A person as one recogniser knows them from photos.

    embedding: [512] of unit length, along the mean of the photos' embeddings. baseline: what a real photo of this
    person scores, the mean cosine of each photo with the mean of the others; None with fewer than two.
    faceless: places, from 0, of the photos without a face, which are left out. recogniser: its file name, or "".
    """

    embedding: np.ndarray
    baseline: float | None
    photos: int
    faceless: tuple[int, ...]
    recogniser: str


@dataclass(frozen=True, eq=False)
class Score:
    """The likeness of one picture.

    cosine: -1..1. face: the face most like the reference, which counts; place: its place from the left, from 0.
    All three are None when no face was found. faces: how many were.
    """

    cosine: float | None
    face: Face | None
    place: int | None
    faces: int


NO_FACE = Score(None, None, None, 0)


@dataclass(frozen=True, eq=False)
class Likeness:
    """The scores of several pictures, in their order."""

    reference: Reference
    scores: tuple[Score, ...]

    @property
    def ranking(self) -> list[int]:
        """Places of the pictures, best first; those without a face last. Equals keep their order."""
        return sorted(range(len(self.scores)), key=lambda place: _order(self.scores[place].cosine))

    @property
    def mean(self) -> float | None:
        """Mean cosine of the pictures that have a face; None when none has."""
        cosines = [score.cosine for score in self.scores if score.cosine is not None]
        return float(np.mean(cosines)) if cosines else None


def measure_reference(analysis, photos: list[np.ndarray], threshold: float = 0.5) -> Reference:
    """A person's reference from RGB photos [H, W, 3] of any sizes; in each the largest face counts.

    Photos without a face are left out; FaceNotFoundError when none has one.
    """
    found = [find_largest(analysis, photo, threshold) for photo in photos]
    faceless = tuple(place for place, face in enumerate(found) if face is None)
    chosen = [face for face in found if face is not None]
    if not chosen:
        sizes = ", ".join(f"{photo.shape[1]}x{photo.shape[0]}" for photo in photos)
        raise FaceNotFoundError(
            f"No face was found in any reference photo ({sizes}). Use a sharper, frontal photo with room around the "
            f"head, or lower the threshold (now {threshold:.2f})."
        )
    embeddings = [require_embedding(face) for face in chosen]
    return Reference(average(embeddings), measure_baseline(embeddings), len(photos), faceless, chosen[0].recogniser)


def find_largest(analysis, photo: np.ndarray, threshold: float = 0.5) -> Face | None:
    """The largest face of an RGB photo [H, W, 3]; None where there is none."""
    faces = _find_faces(analysis, photo, threshold)
    return recognise_face(analysis, photo, select_face(faces, photo)) if faces else None


def measure_baseline(embeddings: list[np.ndarray]) -> float | None:
    """Mean cosine of each embedding [512] of unit length with the mean of the others; None for fewer than two."""
    if len(embeddings) < 2:
        return None
    others = [embeddings[:place] + embeddings[place + 1 :] for place in range(len(embeddings))]
    return float(np.mean([one @ average(rest) for one, rest in zip(embeddings, others, strict=True)]))


def score_picture(analysis, reference: Reference, picture: np.ndarray, threshold: float = 0.5) -> Score:
    """The likeness of an RGB picture [H, W, 3] by the analysis that measured the reference."""
    faces = [recognise_face(analysis, picture, face) for face in _find_faces(analysis, picture, threshold)]
    if not faces:
        return NO_FACE
    cosines = [float(require_embedding(face) @ reference.embedding) for face in faces]
    place = int(np.argmax(cosines))
    return Score(cosines[place], faces[place], place, len(faces))


def score_pictures(
    analysis,
    photos: list[np.ndarray],
    pictures: list[np.ndarray],
    threshold: float = 0.5,
    on_picture: Callable[[], None] | None = None,
) -> Likeness:
    """The likeness of RGB pictures to the person in the photos; sizes may differ.

    on_picture is called before each picture; what it raises ends the measurement.
    """
    reference = measure_reference(analysis, photos, threshold)
    scores = []
    for picture in pictures:
        if on_picture:
            on_picture()
        scores.append(score_picture(analysis, reference, picture, threshold))
    return Likeness(reference, tuple(scores))


def average(vectors: list[np.ndarray]) -> np.ndarray:
    """The mean of vectors [D], brought to unit length."""
    mean = np.mean(vectors, axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def _find_faces(analysis, photo: np.ndarray, threshold: float) -> list[Face]:
    """Left to right, not recognised yet; a photo too small for a face has none."""
    try:
        return find_faces(analysis, photo, threshold, any_recogniser=True)
    except FaceNotFoundError:
        return []


def _order(cosine: float | None) -> float:
    return np.inf if cosine is None else -cosine
