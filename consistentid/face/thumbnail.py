"""A small picture of a person, to recognise a saved identity by."""

import numpy as np
from PIL import Image

from .framing import choose_frame

THUMBNAIL_PX = 128


def make_thumbnail(photo: np.ndarray, box: np.ndarray | None = None) -> np.ndarray:
    """The head in a photo RGB uint8 [H, W, 3], longer side at most THUMBNAIL_PX; without a face box the whole photo.

    box: [x0, y0, x1, y1] in pixels; ConsistentIDError if it lies outside the photo.
    """
    frame, _ = choose_frame(photo, box, "head")
    head = Image.fromarray(photo).crop(frame)
    head.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return np.array(head)
