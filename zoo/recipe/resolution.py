"""Pictures of fewer pixels, as the zoo generates them."""

import numpy as np

SMALLEST = 0.375
"""Of the side of a picture: 96 of 256 px."""
SHARE = 0.7


def shrink_picture(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture, RGB uint8 [H, W, 3], in most cases with fewer pixels: down to SMALLEST in height and width."""
    import cv2

    if rng.random() > SHARE:
        return image
    scale = rng.uniform(SMALLEST, 1)
    size = [max(round(length * scale), 1) for length in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
