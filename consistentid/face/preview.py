"""Pictures of what each stage found. Photos in and out are RGB uint8 [H, W, 3]."""

import numpy as np
from PIL import Image, ImageDraw

from ..contact_sheet import Colour
from .face import Face
from .parsing import LABELS
from .region_words import EXTRA_LABELS, REGION_LABELS

FACE_COLOURS = CHOSEN, OTHER = (64, 220, 90), (240, 160, 40)
"""RGB of the chosen face and of others."""
# Distinct colours for the 19 labels: a walk around the hue circle, by a step that keeps facial regions apart.
_HUE_STEP = 0.762
_PALETTE = np.array(
    [(0, 0, 0)]
    + [
        tuple(int(255 * x) for x in np.clip(np.abs((i * _HUE_STEP * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0.15, 1))
        for i in range(1, len(LABELS))
    ],
    dtype=np.uint8,
)


def draw_faces(photo: np.ndarray, faces: list[Face], chosen: Face | None) -> np.ndarray:
    """The photo with boxes, and scores and landmarks where known; the chosen face is green, others orange."""
    image = Image.fromarray(photo)
    draw = ImageDraw.Draw(image)
    line = max(2, min(photo.shape[:2]) // 200)
    for face in faces:
        colour = CHOSEN if face is chosen else OTHER
        draw_box(draw, face.box, colour, line)
        if face.landmarks is None:
            continue
        draw.text((float(face.box[0]), float(face.box[1]) - 12), f"{face.score:.2f}", fill=colour)
        for x, y in face.landmarks.tolist():
            draw.ellipse((x - line, y - line, x + line, y + line), fill=colour)
    return np.asarray(image)


def draw_box(draw: ImageDraw.ImageDraw, box: np.ndarray, colour: Colour, line_px: int) -> None:
    """The outline of a box [x0, y0, x1, y1] in pixels; `draw` is changed."""
    draw.rectangle([float(x) for x in box], outline=colour, width=line_px)


def find_region_colour(key: str) -> tuple[int, int, int]:
    """RGB of a region key: that of its label, the first where it has several."""
    label = REGION_LABELS[key] if key in REGION_LABELS else EXTRA_LABELS[key][0]
    return tuple(_PALETTE[label].tolist())


def draw_labels(photo: np.ndarray, labels: np.ndarray, opacity: float = 0.55) -> np.ndarray:
    """The photo under its label map, one colour per label; the label map is stretched to the photo."""
    image = Image.fromarray(photo)
    stretched = np.asarray(Image.fromarray(labels).resize(image.size, Image.Resampling.NEAREST))
    mixed = Image.blend(image, Image.fromarray(_PALETTE[stretched]), opacity)
    return np.where((stretched > 0)[..., None], np.asarray(mixed), photo)
