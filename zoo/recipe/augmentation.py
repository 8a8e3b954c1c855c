"""Augmentation, like what happens to pictures in use: another frame, fewer pixels, blur, noise, other light."""

import numpy as np

SMALLEST = 0.375
"""Of the side of a picture that is downscaled: 96 of 256 px."""
DOWNSCALED = 0.7
"""The share of pictures that are."""
ZOOM, SHIFT = 0.08, 0.03
LIGHT, TINT, NOISE = 0.08, 0.02, 0.02


def random_affine(image: np.ndarray, labels: np.ndarray, side_px: int, rng: np.random.Generator):
    """Image [S, S, 3] and labels [S, S] zoomed and moved a little, at another size."""
    import cv2

    side = len(image)
    zoom, move = 1 + ZOOM * rng.uniform(-1, 1), side * SHIFT * rng.uniform(-1, 1, size=2)
    turn = np.array([[zoom, 0, (1 - zoom) * side / 2 + move[0]], [0, zoom, (1 - zoom) * side / 2 + move[1]]])
    image = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    labels = cv2.warpAffine(labels, turn, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    size = (side_px, side_px)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image, cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)


def augment(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of all pictures blurred, half noisy; all a little brighter or darker and tinted. uint8 [H, W, 3]."""
    import cv2

    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.0))
    tint = 1 + LIGHT * rng.uniform(-1, 1) + TINT * rng.uniform(-1, 1, size=3)
    augmented = image.astype(np.float32) * tint.astype(np.float32)
    if rng.random() < 0.5:
        augmented += 255 * NOISE * rng.random() * rng.standard_normal(augmented.shape, dtype=np.float32)
    return np.rint(augmented.clip(0, 255)).astype(np.uint8)


def downscale(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture, RGB uint8 [H, W, 3], in most cases with fewer pixels: down to SMALLEST in height and width."""
    import cv2

    if rng.random() > DOWNSCALED:
        return image
    scale = rng.uniform(SMALLEST, 1)
    size = [max(round(length * scale), 1) for length in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
