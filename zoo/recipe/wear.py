"""What happens to pictures in use: another frame, fewer pixels, blur, noise, a little more or less light."""

import numpy as np

SMALLEST = 0.375
"""Of the side of a picture that is shrunk: 96 of 256 px."""
SHRUNK = 0.7
"""The share of pictures that are."""
ZOOM, SHIFT = 0.08, 0.03
LIGHT, TINT, NOISE = 0.08, 0.02, 0.02


def reframe(image: np.ndarray, labels: np.ndarray, side_px: int, rng: np.random.Generator):
    """Image [S, S, 3] and labels [S, S] zoomed and moved a little, at another size."""
    import cv2

    side = len(image)
    zoom, move = 1 + ZOOM * rng.uniform(-1, 1), side * SHIFT * rng.uniform(-1, 1, size=2)
    turn = np.array([[zoom, 0, (1 - zoom) * side / 2 + move[0]], [0, zoom, (1 - zoom) * side / 2 + move[1]]])
    image = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    labels = cv2.warpAffine(labels, turn, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    size = (side_px, side_px)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.resize(
        labels, size, interpolation=cv2.INTER_NEAREST
    )


def wear(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of all pictures blurred, half noisy; all a little brighter or darker and tinted. uint8 [H, W, 3]."""
    import cv2

    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.0))
    worn = image.astype(np.float32) * (1 + LIGHT * rng.uniform(-1, 1) + TINT * rng.uniform(-1, 1, size=3)).astype("f4")
    if rng.random() < 0.5:
        worn += 255 * NOISE * rng.random() * rng.standard_normal(worn.shape, dtype=np.float32)
    return np.rint(worn.clip(0, 255)).astype(np.uint8)


def shrink_picture(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture, RGB uint8 [H, W, 3], in most cases with fewer pixels: down to SMALLEST in height and width."""
    import cv2

    if rng.random() > SHRUNK:
        return image
    scale = rng.uniform(SMALLEST, 1)
    size = [max(round(length * scale), 1) for length in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
