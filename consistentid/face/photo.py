"""What every stage asks of a photo, an RGB uint8 array [H, W, 3]."""

import numpy as np

from ..errors import FaceNotFoundError

MIN_SIDE_PX = 16
MAX_ASPECT = 16


def check_photo(photo: np.ndarray) -> None:
    """FaceNotFoundError for a photo too small or too narrow to hold a face."""
    height, width = photo.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise FaceNotFoundError(f"The photo is only {width}x{height} pixels. Use one of at least 256x256.")
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise FaceNotFoundError(f"The photo is a strip of {width}x{height} pixels. Crop it to head and shoulders.")
