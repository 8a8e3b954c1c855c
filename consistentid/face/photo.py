"""What every stage asks of a photo, an RGB uint8 array [H, W, 3]."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import ConsistentIDError, FaceNotFoundError

MIN_SIDE_PX = 16
MAX_ASPECT = 16


def check_photo(photo: np.ndarray) -> None:
    """FaceNotFoundError for a photo too small or too narrow to hold a face."""
    height, width = photo.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise FaceNotFoundError(f"The photo is only {width}x{height} pixels. Use one of at least 256x256.")
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise FaceNotFoundError(f"The photo is a strip of {width}x{height} pixels. Crop it to head and shoulders.")


def open_photo(path: str | Path) -> np.ndarray:
    """A picture file as a photo, RGB uint8 [H, W, 3], turned upright by its EXIF orientation.

    Transparency is dropped; of several frames the first is taken; 16-bit grey is scaled down. Raises
    ConsistentIDError for a file that is missing or no picture, FaceNotFoundError as check_photo does.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):
                image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
            photo = np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConsistentIDError(f"{path} cannot be read as a picture ({error}). Use a JPEG or PNG file.") from error
    check_photo(photo)
    return photo


def identify_photo(photo: np.ndarray) -> str:
    """SHA-256 of the pixels, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(photo)).hexdigest()
