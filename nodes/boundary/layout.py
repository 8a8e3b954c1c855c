"""Conversion between ComfyUI's tensors and the core's arrays, in one place.

ComfyUI IMAGE: float [B, H, W, C] 0..1; MASK: float [B, H, W] 0..1. Core photo: RGB uint8 [H, W, 3].
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ...consistentid.errors import ConsistentIDError
from ...consistentid.face.photo import check_photo

PREVIEW_PX = 2048
ROWS = 64
_photos: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def read_photo(image: Tensor) -> np.ndarray:
    """The one photo of an IMAGE, see read_pixels; FaceNotFoundError where it is too small or narrow for a face."""
    photo = read_pixels(image)
    check_photo(photo)
    return photo


def read_pixels(image: Tensor) -> np.ndarray:
    """The one picture of an IMAGE, of any size; grey becomes RGB, transparency is dropped.

    The same array, which cannot be written to, while the IMAGE lives.
    """
    if image not in _photos:
        _photos[image] = _read_pixels(image)
    return _photos[image]


def _read_pixels(image: Tensor) -> np.ndarray:
    if image.shape[0] != 1:
        raise ConsistentIDError(
            f"This node takes one photo, but got a batch of {image.shape[0]} images. "
            "Pick one with the node 'ImageFromBatch'."
        )
    pixels = image[0].detach()
    if pixels.shape[-1] in (1, 2):
        pixels = pixels[..., :1].expand(-1, -1, 3)
    photo = torch.empty(*pixels.shape[:2], 3, dtype=torch.uint8)
    # By rows, as copies of a whole photo in floats take most of the time.
    for part, rows in zip(photo.split(ROWS), pixels[..., :3].split(ROWS), strict=True):
        part.copy_(rows.float().clamp(0, 1).mul_(255).round_())
    array = photo.numpy()
    array.flags.writeable = False
    return array


def read_mask(mask: Tensor) -> np.ndarray:
    """The one mask of a MASK, uint8 [H, W]; soft edges stay."""
    if mask.ndim == 3 and mask.shape[0] != 1:
        raise ConsistentIDError(
            f"This node takes one mask, but got a batch of {mask.shape[0]}. Join them with 'MaskComposite' first."
        )
    pixels = mask.detach().float().cpu().reshape(mask.shape[-2:])
    return (pixels.clamp(0, 1) * 255).round().byte().numpy()


def split_batches(images: list[Tensor]) -> list[Tensor]:
    """IMAGEs, each a batch of any size -> IMAGEs of one photo each."""
    return [photo for image in images for photo in image.split(1)]


def make_preview(*photos: np.ndarray, side_px: int = PREVIEW_PX) -> Tensor:
    """Photos of one size -> IMAGE to look at, its longer side at most `side_px`."""
    shown = np.stack([shrink(photo, side_px) for photo in photos])
    return torch.from_numpy(shown).float().div_(255)


def shrink(photo: np.ndarray, side_px: int = PREVIEW_PX) -> np.ndarray:
    """A photo or mask whose longer side has at most `side_px`."""
    height, width = photo.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photo).resize(size))
