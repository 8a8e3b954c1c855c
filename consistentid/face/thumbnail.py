"""A small picture of a person, to recognise a saved identity by."""

import base64
import io
import struct
import zlib

import numpy as np
from PIL import Image

from ..errors import ConsistentIDError
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


def encode_png(thumbnail: np.ndarray) -> str:
    """A thumbnail RGB uint8 [h, w, 3] as PNG in base64; ConsistentIDError for anything else."""
    if thumbnail.dtype != np.uint8 or thumbnail.ndim != 3 or max(thumbnail.shape) > THUMBNAIL_PX:
        raise ConsistentIDError(
            f"A thumbnail is RGB uint8 of at most {THUMBNAIL_PX} px, not {thumbnail.dtype} {thumbnail.shape}."
        )
    file = io.BytesIO()
    Image.fromarray(thumbnail).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def decode_png(text: str) -> np.ndarray:
    """The thumbnail of encode_png, exactly; ValueError for anything else or larger."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            if image.mode != "RGB" or max(image.size) > THUMBNAIL_PX:
                raise ValueError(f"a picture of {image.size} px in {image.mode}")
            return np.array(image)
    except (OSError, SyntaxError, struct.error, zlib.error, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
