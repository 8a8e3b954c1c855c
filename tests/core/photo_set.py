"""Photos as users bring them, made from one portrait: the astronaut, 512x512, face box about (178, 62, 272, 180).

SEEN tells what the stand-in detector does with each.
"""

from pathlib import Path

import numpy as np
from PIL import Image

FACE_BOX = (178, 62, 272, 180)

SEEN = {
    "portrait": (640, 1),
    "tilted": (640, 1),
    "close up": (512, 1),
    "far away": (640, 1),
    "dark": (640, 1),
    "grey": (640, 1),
    "twice": (640, 2),
    "nobody": (0, 0),
}
"""Name -> (side in pixels at which the stand-in detector first sees somebody, number of faces)."""


def make_photo(name: str) -> np.ndarray:
    """One photo of the set, RGB uint8 [H, W, 3]."""
    from skimage.data import astronaut, coffee

    portrait = astronaut()
    if name == "nobody":
        return coffee()
    if name == "far away":
        large = np.full((1024, 1024, 3), 90, dtype=np.uint8)
        large[300:812, 400:912] = portrait
        return large
    changes = {
        "portrait": lambda: portrait,
        "tilted": lambda: np.asarray(Image.fromarray(portrait).rotate(5, Image.Resampling.BICUBIC)),
        "close up": lambda: portrait[21:221, 125:325],
        "dark": lambda: (portrait * 0.25).astype(np.uint8),
        "grey": lambda: np.repeat(portrait.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
        "twice": lambda: np.hstack([portrait, portrait]),
    }
    return changes[name]()


STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation -> how a camera that writes it has turned the pixels."""


def write_turned_photo(path: Path, photo: np.ndarray, orientation: int) -> None:
    """A JPEG whose pixels lie as a camera would store them, with the EXIF orientation that puts them upright."""
    image = Image.fromarray(photo)
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=95)
