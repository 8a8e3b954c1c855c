"""Expression codes: as text, and measured on a face's regions.

The released mapping network reads 64 expression coefficients of a 3D face model, which this project does not compute.
Networks trained here read the six numbers of `measure_expression`. On drawn faces another person with the same
expression is nearer in them than the same person with another one in 91% of all cases (77% with the small parser's
regions), by five landmarks in 42%: `python -m benchmarks.expression`.
"""

import re

import numpy as np
import torch
from torch import Tensor

from ..errors import ConsistentIDError, FaceNotFoundError
from ..face.face import Face, check_same_photo
from ..face.framing import crop_square, surround_head
from ..face.neighbours import keep_own
from ..ports import FaceParser

RELEASED_WIDTH = 64
MEASURES = {
    "eyes open": (0.28, 0.072),
    "inner brows": (0.51, 0.105),
    "outer brows": (0.52, 0.093),
    "mouth corners": (0.019, 0.067),
    "mouth open": (0.097, 0.138),
    "open area": (0.05, 0.076),
}
"""The numbers of a code, in order, with mean and spread of what they measure on drawn faces, in distances of the eyes:
height of the eyes, brows above the eyes, corners of the mouth above its middle, height of the mouth's inside, and its
area."""
EYES, BROWS, INSIDE, MOUTH = (4, 5), (2, 3), (11,), (11, 12, 13)
LIMIT = 6.0
"""Codes end here: a few wrong pixels far off are no expression."""
FEWEST = 3
"""Pixels of a region that is there."""


def measure_expression(labels: np.ndarray, landmarks: np.ndarray) -> Tensor:
    """The expression of a face, [6] around 0 and about 1 wide, by its label map [H, W] and landmarks [5, 2] in its
    pixels. A region that is not seen counts as usual."""
    rows, columns = np.nonzero(np.isin(labels, (*EYES, *BROWS, *MOUTH)))
    across = (landmarks[1] - landmarks[0]).astype(np.float64)
    reach = max(float(np.linalg.norm(across)), 1.0)
    across /= reach
    points = (np.stack([columns, rows], 1) - landmarks[:2].mean(axis=0)) / reach
    points = points @ np.array([across, [-across[1], across[0]]]).T  # to the right and down, seen from between the eyes
    found = {label: points[labels[rows, columns] == label] for label in (*EYES, *BROWS, *MOUTH)}
    brows = [_halve(found[label]) for label in BROWS if len(found[label]) >= FEWEST]
    inside = found[INSIDE[0]]
    measured = (
        _mean([_measure_height(found[label]) for label in EYES if len(found[label]) >= FEWEST]),
        _mean([inner for inner, _ in brows]),
        _mean([outer for _, outer in brows]),
        _measure_lift(np.concatenate([found[label] for label in MOUTH])),
        _measure_height(inside) if len(inside) >= FEWEST else 0.0,
        len(inside) / reach**2,
    )
    usual = np.array(list(MEASURES.values()))
    code = (np.array(measured) - usual[:, 0]) / usual[:, 1]
    return torch.from_numpy(np.nan_to_num(code).clip(-LIMIT, LIMIT)).float()


def read_expression(parser: FaceParser, photo: np.ndarray, face: Face, side_px: int = 512) -> Tensor:
    """The same of a face in an RGB photo [H, W, 3], whose regions the parser finds. FaceNotFoundError without
    landmarks."""
    check_same_photo(face, photo)
    if face.landmarks is None:
        raise FaceNotFoundError(
            "The expression is measured from the eyes, but this face has no landmarks, as the face cascade gives it. "
            "Detect it with InsightFace."
        )
    square = surround_head(photo, face.box)
    labels = keep_own(parser.parse(crop_square(photo, square), side_px), square, face.box, face.others)
    return measure_expression(labels, (face.landmarks - square[:2]) * (len(labels) / (square[2] - square[0])))


def format_expression(code: Tensor) -> str:
    """As `parse_expression` reads it."""
    return ", ".join(f"{number:.4g}" for number in code.tolist())


def parse_expression(text: str) -> Tensor | None:
    """64 or 6 numbers between commas, spaces or brackets -> [64] or [6]; None for an empty text. ConsistentIDError
    otherwise."""
    words = re.split(r"[\s,;\[\]]+", text.strip(" \n\t,;[]"))
    if words == [""]:
        return None
    try:
        code = torch.tensor([float(word) for word in words])
    except ValueError as error:
        raise ConsistentIDError(f"The expression code holds something that is no number ({error}).") from error
    if len(code) not in (RELEASED_WIDTH, len(MEASURES)) or not code.isfinite().all():
        raise ConsistentIDError(
            f"An expression code is {RELEASED_WIDTH} finite numbers, the expression coefficients of a 3D face model, "
            f"or {len(MEASURES)} for networks that were trained here; this one has {int(code.isfinite().sum())}. Leave "
            "it empty for the neutral one."
        )
    return code


def check_width(code: Tensor | None, width: int) -> None:
    """ConsistentIDError for a code that a mapping network does not read."""
    if code is not None and len(code) != width:
        made = "a 3D face model" if width == RELEASED_WIDTH else "the regions of a face"
        raise ConsistentIDError(
            f"This mapping network reads expression codes of {width} numbers, from {made}; this one has {len(code)}. "
            "Leave it empty for the neutral one."
        )


def _measure_height(points: np.ndarray) -> float:
    low, high = np.percentile(points[:, 1], [2, 98])
    return high - low


def _halve(points: np.ndarray) -> tuple[float, float]:
    """How high above the eyes the half near the nose is, and the other."""
    away = np.abs(points[:, 0])
    is_inner = away <= np.median(away)
    return -points[is_inner, 1].mean(), -points[~is_inner, 1].mean() if not is_inner.all() else np.nan


def _measure_lift(points: np.ndarray) -> float:
    """How high above its middle the ends of the mouth are."""
    if len(points) < FEWEST:
        return np.nan
    left, right = np.percentile(points[:, 0], [2, 98])
    away = np.abs(points[:, 0] - (left + right) / 2)
    ends, middle = away > 0.38 * (right - left), away < 0.12 * (right - left)
    return points[middle, 1].mean() - points[ends, 1].mean() if ends.any() and middle.any() else np.nan


def _mean(values: list[float]) -> float:
    return float(np.nanmean(values)) if values and not np.isnan(values).all() else np.nan
