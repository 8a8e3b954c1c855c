"""Photos: opened upright from any file, checked, told apart. A photo is an RGB uint8 array [H, W, 3]."""

import hashlib
from pathlib import Path
from typing import BinaryIO
from weakref import ref

import numpy as np
from PIL import Image, ImageOps

from ..errors import ConsistentIDError, FaceNotFoundError

MIN_SIDE_PX = 16
MAX_ASPECT = 16

_hashes: dict[int, tuple[ref, str]] = {}  # by id, as arrays have no hash


def check_photo(photo: np.ndarray) -> None:
    """FaceNotFoundError for a photo too small or too narrow to hold a face."""
    height, width = photo.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise FaceNotFoundError(f"The photo is only {width}x{height} pixels. Use one of at least 256x256.")
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise FaceNotFoundError(f"The photo is a strip of {width}x{height} pixels. Crop it to head and shoulders.")


def open_photo(path: str | Path, stream: BinaryIO | None = None) -> np.ndarray:
    """A picture file as a photo, RGB uint8 [H, W, 3]. Arguments and errors of open_picture, errors of check_photo."""
    photo = np.array(open_picture(path, stream))
    check_photo(photo)
    return photo


def open_picture(path: str | Path, stream: BinaryIO | None = None) -> Image.Image:
    """A picture file as people see it, in RGB: turned upright by its EXIF orientation. All pictures come in here.

    stream: its bytes, where they are in no file of this machine; it is closed, and `path` is what to call it.
    Transparency is dropped; of several frames the first is taken; 16 bits, and floats of 0..1, become 8. Raises
    ConsistentIDError for a file that is missing, no picture, or of numbers whose black and white nobody knows.
    """
    try:
        # A stream, since by its path Pillow garbles a turned grey TIFF.
        with stream or open(path, "rb") as opened, Image.open(opened) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode[0] in "IF":
                white = _find_white(np.asarray(image), file.format)
                image = Image.fromarray((np.asarray(image) * (255 / white)).round().astype(np.uint8))
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).partition(" <_io.")[0]  # Pillow names the stream by its address
        raise ConsistentIDError(f"{path} cannot be read as a picture ({reason}). Use a JPEG or PNG file.") from error


def _find_white(values: np.ndarray, file_format: str) -> int:
    """Which number is white in a grey picture of more than 8 bits; ValueError where only its program could tell.

    Whole numbers in 32 bits are those of 8 where they fit, else of 16; Pillow gave 16-bit PNG and PGM files so.
    """
    least, most = float(values.min()), float(values.max())  # NaN passes no comparison
    if values.dtype.kind == "f":
        if least >= 0 and most <= 1:
            return 1
        raise ValueError(f"floats from {least:g} to {most:g}, where 0 is black and 1 is white")
    if least < 0 or most > 65535:
        raise ValueError(f"whole numbers from {least:.0f} to {most:.0f}, where 8 bits end at 255 and 16 at 65535")
    return 255 if values.dtype.itemsize > 2 and most <= 255 and file_format not in ("PNG", "PPM") else 65535


def hash_photo(photo: np.ndarray) -> str:
    """SHA-256 of the pixels, in hexadecimal; that of an array which cannot be written to is computed once."""
    if photo.flags.writeable:
        return _compute_hash(photo)
    place = id(photo)
    owner, known = _hashes.get(place, (None, ""))
    if owner is None or owner() is not photo:
        known = _compute_hash(photo)
        _hashes[place] = ref(photo, lambda _: _hashes.pop(place, None)), known
    return known


def _compute_hash(photo: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(photo).data).hexdigest()
