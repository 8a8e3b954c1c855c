"""Facial regions: from a label map to filled masks, and from masks to region images for CLIP.

A photo is an RGB uint8 array [H, W, 3] throughout this package. Labels are those of CelebAMask-HQ.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from PIL import Image
from scipy import ndimage

from .region_words import EXTRA_LABELS, REGION_LABELS, REGION_WORDS

CLIP_SIZE_PX = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, eq=False)
class Regions:
    """A photo and the masks of its facial regions; treat it as immutable.

    photo: RGB uint8 [H, W, 3]. masks: {region key: uint8 [h, w], 0..255}; each covers the whole photo, whatever its
    size. frame: [x0, y0, x1, y1] in pixels, the part of the photo that CLIP looks at; None for the whole. notes: how
    they were found, as text.
    """

    photo: np.ndarray
    masks: dict[str, np.ndarray]
    frame: tuple[int, int, int, int] | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def view(self, image: np.ndarray) -> np.ndarray:
        """The part that CLIP looks at, of an image or mask of the photo's size."""
        if self.frame is None:
            return image
        x0, y0, x1, y1 = self.frame
        return image[y0:y1, x0:x1]

    def view_photo(self) -> np.ndarray:
        """The photo as CLIP sees it."""
        return self.view(self.photo)

    def isolate(self, key: str) -> np.ndarray:
        """One region as CLIP sees it: black outside the mask."""
        return isolate_region(self.view_photo(), self.view(self.resize_mask(key)))

    def list_views(self) -> list[np.ndarray]:
        """The photo and each region as CLIP sees them."""
        return [self.view_photo(), *map(self.isolate, self.masks)]

    def resize_mask(self, key: str) -> np.ndarray:
        """The mask of one region at the size of the photo."""
        height, width = self.photo.shape[:2]
        return np.asarray(_resize(Image.fromarray(self.masks[key]), (width, height)))

    def find_mask(self, word: str) -> np.ndarray | None:
        """The same of the first region of a caption word; None without one."""
        return next((self.resize_mask(key) for key in self.masks if REGION_WORDS[key] == word), None)


def fill_region(labels: np.ndarray, *wanted: int) -> np.ndarray:
    """The pixels of the wanted labels with enclosed holes closed: label map [H, W] -> uint8 mask [H, W], 0 or 255.

    All blobs are kept. For one label equal to filling the outer contours, as the reference does.
    """
    return np.asarray(ndimage.binary_fill_holes(np.isin(labels, wanted)), np.uint8) * 255


def number_parts(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The connected parts of a mask, bool [H, W]: [H, W] of their numbers, 0 outside; and how many there are."""
    return cast(tuple[np.ndarray, int], ndimage.label(mask))


def select_regions(labels: np.ndarray, unite_pairs: bool = False, extra: Collection[str] = ()) -> dict[str, np.ndarray]:
    """The regions present in a label map, one per word: {key: uint8 mask [H, W]}, at most five and the extra ones.

    Of each pair (eyes, ears, lips) only the first present is kept, as released, since both share one word;
    unite_pairs puts both into one mask under the key of the first. extra: keys of EXTRA_LABELS.
    """
    present = set(np.unique(labels).tolist())
    first: dict[str, str] = {}
    members: dict[str, list[int]] = {}
    for key, label in REGION_LABELS.items():
        if label not in present:
            continue
        if first.setdefault(REGION_WORDS[key], key) == key or unite_pairs:
            members.setdefault(first[REGION_WORDS[key]], []).append(label)
    regions = {key: fill_region(labels, *found) for key, found in members.items()}
    for key, wanted in EXTRA_LABELS.items():
        if key in extra and present.intersection(wanted):
            # Holes stay open: hair may enclose the whole face.
            regions[key] = np.isin(labels, wanted).astype(np.uint8) * 255
    return regions


def select_by_word(labels: np.ndarray, words: Collection[str], unite_pairs: bool = False) -> dict[str, np.ndarray]:
    """As `select_regions`, of the given words alone."""
    regions = select_regions(labels, unite_pairs, EXTRA_LABELS)
    return {key: mask for key, mask in regions.items() if REGION_WORDS[key] in words}


def isolate_region(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The photo with everything outside the mask black; the mask is resized to the photo's size (bicubic)."""
    image = Image.fromarray(photo)
    resized = _resize(Image.fromarray(mask), image.size)
    return np.asarray(Image.composite(image, Image.new("RGB", image.size), resized))


def fit_clip(image: np.ndarray) -> np.ndarray:
    """What CLIP gets of an image, uint8 [224, 224, 3]: shorter side to 224 (bicubic), centre crop."""
    height, width = image.shape[:2]
    short = min(height, width)
    size = (int(CLIP_SIZE_PX * width / short), int(CLIP_SIZE_PX * height / short))
    resized = np.asarray(_resize(Image.fromarray(image), size))
    top, left = ((resized.shape[axis] - CLIP_SIZE_PX) // 2 for axis in (0, 1))
    return resized[top : top + CLIP_SIZE_PX, left : left + CLIP_SIZE_PX]


def preprocess_clip(photo: np.ndarray) -> np.ndarray:
    """CLIP pixel values float32 [3, 224, 224]: `fit_clip`, then CLIP's mean and standard deviation."""
    mean, deviation = np.array((CLIP_MEAN, CLIP_STD), np.float32)
    normalised = (fit_clip(photo).astype(np.float32) / 255 - mean) / deviation
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bicubic, rows first: in one call Pillow 13 may take columns first, which differs at hard edges."""
    return image.resize((size[0], image.height), Image.Resampling.BICUBIC).resize(size, Image.Resampling.BICUBIC)
