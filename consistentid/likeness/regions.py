"""Likeness of facial regions: the paper's Fine-Grained Identity Similarity (arXiv 2404.16771, FGIS).

The paper says: the mean cosine of DINO embeddings of corresponding facial regions. It defines neither the crops nor
the DINO version, and its code was not released. Here a region is a square around its mask, black outside the mask; so
numbers are comparable with each other, when the same encoder made them, and not with the published ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import FaceNotFoundError
from ..face.framing import crop_square, holds_middle, surround_head
from ..face.neighbours import keep_own
from ..face.region_words import REGION_LABELS, REGION_WORDS
from ..face.regions import fill_region
from .faces import Reference, average, score_picture

MIN_REGION_PX = 64
"""A label with fewer pixels in the label map is noise, not a region. Reasoned, not measured."""

SQUARE_PER_BOX = 8 / 7
"""DINOv2's preprocessing scales to 256 px and keeps the middle 224: with this margin the middle is the region."""


@dataclass(frozen=True)
class RegionScore:
    """cosine: -1..1, the mean over the regions that both have, None when they share none. regions: {word: cosine}."""

    cosine: float | None
    regions: dict[str, float]


def crop_squares(photo: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Each part of a face, both of each pair, as an RGB square, black outside: {region key: uint8 [S, S, 3]}.

    photo: RGB [H, W, 3]; labels: its label map [h, w].
    """
    squares = {}
    for key, label in REGION_LABELS.items():
        if np.count_nonzero(labels == label) >= MIN_REGION_PX:
            squares[key] = _cut_square(photo, fill_region(labels, label))
    return squares


def read_features(
    photo: np.ndarray,
    parse: Callable[[np.ndarray], np.ndarray],
    encoder,
    analysis=None,
    reference: Reference | None = None,
    threshold: float = 0.5,
) -> dict[str, np.ndarray] | None:
    """Features {region key: [D] of unit length} of an RGB photo; empty when the parser finds no region.

    parse: photo -> label map. encoder: a Dino. With a face analysis and the reference it measured, the face
    most like the reference is parsed on its own; None when no face scores the threshold, or its
    middle lies outside.
    """
    if analysis is not None and reference is not None:
        face = score_picture(analysis, reference, photo, threshold).face
        if face is None or not holds_middle(photo, face.box):
            return None
        square = surround_head(photo, face.box)
        photo = crop_square(photo, square)
        labels = keep_own(parse(photo), square, face.box, face.others)
    else:
        labels = parse(photo)
    squares = crop_squares(photo, labels)
    return dict(zip(squares, encoder.encode(list(squares.values())), strict=True)) if squares else {}


def average_features(photos: list[dict[str, np.ndarray] | None]) -> dict[str, np.ndarray]:
    """One person's features from those of several photos; a region counts where a photo has it.

    FaceNotFoundError when no photo has any.
    """
    keys = [key for key in REGION_LABELS if any(key in (features or ()) for features in photos)]
    if not keys:
        raise FaceNotFoundError(
            f"The face parser found no facial region in any reference photo ({len(photos)}). Crop photos to head and "
            "shoulders, or have a face analysis find the face."
        )
    return {key: average([features[key] for features in photos if features and key in features]) for key in keys}


def compare_features(reference: dict[str, np.ndarray], picture: dict[str, np.ndarray]) -> RegionScore:
    """Cosine of each region that both have: a left eye with a left eye. Parts of one word count as one region."""
    cosines: dict[str, list[float]] = {}
    for key in reference:
        if key in picture:
            cosines.setdefault(REGION_WORDS[key], []).append(float(reference[key] @ picture[key]))
    regions = {word: float(np.mean(parts)) for word, parts in cosines.items()}
    return RegionScore(float(np.mean(list(regions.values()))) if regions else None, regions)


def average_scores(scores: list[RegionScore | None]) -> float | None:
    """Mean cosine of the pictures that have one; None when none has. A picture without a face is None."""
    cosines = [score.cosine for score in scores if score and score.cosine is not None]
    return float(np.mean(cosines)) if cosines else None


def _cut_square(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The square around a mask that covers the photo, at the photo's scale; black where it leaves the photo."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    down, across = photo.shape[0] / mask.shape[0], photo.shape[1] / mask.shape[1]
    top, bottom, left, right = rows[0] * down, (rows[-1] + 1) * down, columns[0] * across, (columns[-1] + 1) * across
    side = max(1, round(max(right - left, bottom - top) * SQUARE_PER_BOX))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    crop = Image.fromarray(crop_square(photo, (x, y, x + side, y + side)))
    extent = (x / across, y / down, (x + side) / across, (y + side) / down)
    shape = Image.fromarray(mask).transform(crop.size, Image.Transform.EXTENT, extent, Image.Resampling.BICUBIC)
    return np.asarray(Image.composite(crop, Image.new("RGB", crop.size), shape))
