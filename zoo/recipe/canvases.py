"""Pictures to learn to detect faces on: none to three drawn people, of many sizes and anywhere, and other things."""

from dataclasses import dataclass, field

import numpy as np

from .augmentation import augment, downscale
from .pictures import Mixture, Pictures

FACES = (0.12, 0.5, 0.26, 0.12)
"""Share of canvases with no face, one, two and three."""
HEIGHTS = (0.1, 0.9)
"""Height of a face as a share of the canvas."""
TRIALS = 12


@dataclass(frozen=True, eq=False)
class Canvas:
    """image: RGB uint8 [S, S, 3]. boxes: each [4]; landmarks: each [5, 2]; in pixels, of the faces on it."""

    image: np.ndarray
    boxes: list[np.ndarray] = field(default_factory=list)
    landmarks: list[np.ndarray] = field(default_factory=list)


def compose_canvas(pictures: Pictures | Mixture, side_px: int, rng: np.random.Generator) -> Canvas:
    """A new canvas: a background, people, and parts of pictures that show no face."""
    canvas = Canvas(_fill_canvas(pictures, side_px, rng))
    count = int(rng.choice(len(FACES), p=FACES))
    if count == 1 and rng.random() < 0.5:
        _paste_portrait(canvas, pictures, rng)
        return canvas
    largest = HEIGHTS[1] / max(count, 1)
    for _ in range(count):
        _paste_person(canvas, pictures, largest, rng)
    for _ in range(int(rng.integers(3))):
        _paste_part(canvas, pictures, rng)
    return canvas


def _fill_canvas(pictures: Pictures | Mixture, side_px: int, rng: np.random.Generator) -> np.ndarray:
    """A part of some picture's background, one colour, or black as around a picture that is not square."""
    chance = rng.random()
    if chance < 0.5:
        return _resize(_crop_background(pictures, rng), side_px, side_px)
    colour = rng.integers(256, size=3) if chance < 0.8 else np.zeros(3)
    return np.full((side_px, side_px, 3), colour, dtype=np.uint8)


def _paste_portrait(canvas: Canvas, pictures: Pictures | Mixture, rng: np.random.Generator) -> None:
    """One whole picture, as large as the canvas or, as of another shape, lower at the top."""
    row, side = pictures.choose(rng), len(canvas.image)
    image = augment(downscale(pictures.images[row], rng), rng)
    size = side if rng.random() < 0.7 else int(side * rng.uniform(0.6, 1))
    x = int(rng.integers(side - size + 1))
    canvas.image[:size, x : x + size] = _resize(image, size, size)
    scale = size / len(pictures.images[row])
    canvas.boxes.append(pictures.boxes[row] * scale + (x, 0, x, 0))
    canvas.landmarks.append(pictures.landmarks[row] * scale + (x, 0))


def _paste_person(canvas: Canvas, pictures: Pictures | Mixture, largest: float, rng: np.random.Generator) -> None:
    """One face with some of what is around it, where it covers no other face; left out where there is no room."""
    row, side = pictures.choose(rng), len(canvas.image)
    box, whole = pictures.boxes[row], len(pictures.images[row])
    height, width = box[3] - box[1], box[2] - box[0]
    margins = rng.uniform(0.25, 1.2, 4) * (width, height, width, height)
    frame = (box + margins * (-1, -1, 1, 1)).clip(0, whole).astype(int)
    image = pictures.images[row][frame[1] : frame[3], frame[0] : frame[2]]
    scale = side * np.exp(rng.uniform(np.log(HEIGHTS[0]), np.log(largest))) / height
    wide, high = (max(int(length * scale), 1) for length in (frame[2] - frame[0], frame[3] - frame[1]))
    face = (box - frame[[0, 1, 0, 1]]) * scale
    for _ in range(TRIALS):
        # The frame may reach over the border of the canvas, the face not.
        x, y = (int(rng.uniform(-face[axis], side - face[axis + 2])) for axis in (0, 1))
        if not _covers(canvas, (x, y, x + wide, y + high)):
            break
    else:
        return
    _paste(canvas.image, _resize(augment(downscale(image, rng), rng), wide, high), x, y)
    canvas.boxes.append(face + np.array((x, y, x, y)))
    canvas.landmarks.append((pictures.landmarks[row] - frame[:2]) * scale + (x, y))


def _paste_part(canvas: Canvas, pictures: Pictures | Mixture, rng: np.random.Generator) -> None:
    """A part of a picture that shows no face, where it covers none."""
    side = len(canvas.image)
    wide, high = (rng.uniform(0.1, 0.6, 2) * side).astype(int)
    x, y = int(rng.integers(side - wide)), int(rng.integers(side - high))
    if not _covers(canvas, (x, y, x + wide, y + high)):
        _paste(canvas.image, _resize(_crop_background(pictures, rng), wide, high), x, y)


def _crop_background(pictures: Pictures | Mixture, rng: np.random.Generator) -> np.ndarray:
    """What lies above, below or beside the face in some picture."""
    row = pictures.choose(rng)
    x0, y0, x1, y1 = pictures.boxes[row].astype(int)
    side = len(pictures.images[row])
    places = [(0, y1, side, side), (0, 0, x0, side), (x1, 0, side, side), (0, 0, side, y0)]
    left, top, right, bottom = places[int(rng.integers(4))]
    if min(right - left, bottom - top) < 8:
        return pictures.images[row][:8, :8]
    return pictures.images[row][top:bottom, left:right]


def _covers(canvas: Canvas, frame: tuple[int, int, int, int]) -> bool:
    x0, y0, x1, y1 = frame
    return any(x0 < box[2] and box[0] < x1 and y0 < box[3] and box[1] < y1 for box in canvas.boxes)


def _paste(image: np.ndarray, part: np.ndarray, x: int, y: int) -> None:
    """Lay a part on an image at (x, y), without what is outside."""
    left, top = max(-x, 0), max(-y, 0)
    target = image[y + top : y + len(part), x + left : x + part.shape[1]]
    target[:] = part[top : top + target.shape[0], left : left + target.shape[1]]


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    import cv2

    return cv2.resize(image, (max(int(width), 1), max(int(height), 1)), interpolation=cv2.INTER_LINEAR)
