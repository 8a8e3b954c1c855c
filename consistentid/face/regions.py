"""Facial regions: from a label map to filled masks, and from masks to region images for CLIP.

A photo is an RGB uint8 array [H, W, 3] throughout this package. Labels are those of CelebAMask-HQ.
"""

import numpy as np
from PIL import Image
from scipy.ndimage import binary_fill_holes

REGION_LABELS = {
    "Face": 1,
    "Left_Eye": 4,
    "Right_Eye": 5,
    "Left_Ear": 7,
    "Right_Ear": 8,
    "Nose": 10,
    "Upper_Lip": 12,
    "Lower_Lip": 13,
}
"""Region keys of the reference and their label, in label order: the order facial features are stacked in."""

REGION_WORDS = {
    "Face": "face",
    "Left_Eye": "eyes",
    "Right_Eye": "eyes",
    "Left_Ear": "ears",
    "Right_Ear": "ears",
    "Nose": "nose",
    "Upper_Lip": "mouth",
    "Lower_Lip": "mouth",
}
"""The caption word each region belongs to."""

CLIP_SIZE_PX = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def fill_region(labels: np.ndarray, label: int) -> np.ndarray:
    """The pixels of one label with enclosed holes closed: label map [H, W] -> uint8 mask [H, W], 0 or 255.

    All blobs of the label are kept. Equal to filling the outer contours, as the reference does.
    """
    return binary_fill_holes(labels == label).astype(np.uint8) * 255


def select_regions(labels: np.ndarray) -> dict[str, np.ndarray]:
    """The regions present in a label map, at most five, in label order: {key: uint8 mask [H, W]}.

    Of each pair (eyes, ears, lips) only the first present is kept, since both would share one word.
    """
    present = np.unique(labels)
    regions: dict[str, np.ndarray] = {}
    words: set[str] = set()
    for key, label in REGION_LABELS.items():
        if label in present and REGION_WORDS[key] not in words:
            words.add(REGION_WORDS[key])
            regions[key] = fill_region(labels, label)
    return regions


def cut_region(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The photo with everything outside the mask black; the mask is stretched to the photo's size (bicubic)."""
    image = Image.fromarray(photo)
    stretched = _resize(Image.fromarray(mask), image.size)
    return np.asarray(Image.composite(image, Image.new("RGB", image.size), stretched))


def preprocess_clip(photo: np.ndarray) -> np.ndarray:
    """CLIP pixel values float32 [3, 224, 224]: shorter side to 224 (bicubic), centre crop, CLIP mean and std."""
    height, width = photo.shape[:2]
    short = min(height, width)
    size = (int(CLIP_SIZE_PX * width / short), int(CLIP_SIZE_PX * height / short))
    resized = np.asarray(_resize(Image.fromarray(photo), size))
    top, left = ((resized.shape[axis] - CLIP_SIZE_PX) // 2 for axis in (0, 1))
    crop = resized[top : top + CLIP_SIZE_PX, left : left + CLIP_SIZE_PX].astype(np.float32) / 255
    normalised = (crop - np.float32(CLIP_MEAN)) / np.float32(CLIP_STD)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bicubic, rows first: in one call Pillow 13 may take columns first, which differs at hard edges."""
    return image.resize((size[0], image.height), Image.Resampling.BICUBIC).resize(size, Image.Resampling.BICUBIC)
