"""Conversion between ComfyUI's tensors and the core's arrays, in one place.

ComfyUI IMAGE: float [B, H, W, C] 0..1; MASK: float [B, H, W] 0..1. Core photo: RGB uint8 [H, W, 3].
"""

import numpy as np
import torch
from torch import Tensor

from ..consistentid.errors import ConsistentIDError
from ..consistentid.face.photo import check_photo


def read_photo(image: Tensor) -> np.ndarray:
    """The one photo of an IMAGE; grey becomes RGB, transparency is dropped."""
    if image.shape[0] != 1:
        raise ConsistentIDError(
            f"This node takes one photo, but got a batch of {image.shape[0]} images. "
            "Pick one with the node 'ImageFromBatch'."
        )
    pixels = image[0].detach().float().cpu()
    if pixels.shape[-1] in (1, 2):
        pixels = pixels[..., :1].expand(-1, -1, 3)
    photo = (pixels[..., :3].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    check_photo(photo)
    return photo


def make_image(*photos: np.ndarray) -> Tensor:
    """Photos of one size -> IMAGE."""
    return torch.from_numpy(np.stack(photos)).float() / 255


def make_mask(*masks: np.ndarray) -> Tensor:
    """Masks uint8 [H, W] of one size -> MASK."""
    return torch.from_numpy(np.stack(masks)).float() / 255
