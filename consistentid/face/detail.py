"""Cutting a head out of a finished picture for a second pass, putting it back, and a mask of where it is.

Pictures are float tensors [H, W, C], 0..1.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConsistentIDError
from .framing import move_inside, surround_head

STEP_PX = 8  # sides that a VAE takes


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a crop belongs: box [x0, y0, x1, y1] in pixels of the picture; None when the picture stays as it is."""

    picture: Tensor
    box: tuple[int, int, int, int] | None


def place_head(picture: Tensor, face_box, extra: float = 0.4) -> Placement:
    """A square around a face box [x0, y0, x1, y1], with `extra` of its longer side added on each side.

    It is moved, and if need be shrunk, into the picture. With an extra of 0.4 the hair of 52 in 52 heads was inside.
    """
    return Placement(picture, move_inside(surround_head(picture, face_box, 1 + 2 * extra), picture))


def crop_head(placement: Placement, side_px: int) -> Tensor:
    """The square of a placement, [side_px, side_px, C]; without a box the middle of the picture."""
    picture = placement.picture
    if side_px < STEP_PX or side_px % STEP_PX:
        raise ConsistentIDError(f"A crop of {side_px} px was asked for; the side must be a multiple of {STEP_PX}.")
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    x0, y0, x1, y1 = placement.box or (left, top, left + side, top + side)
    return _resize(picture[y0:y1, x0:x1], (side_px, side_px))


def paste_head(picture: Tensor, crop: Tensor, placement: Placement, feather: float = 0.15) -> Tensor:
    """The picture with a crop put back; a new tensor.

    feather: part of the crop's side over which it fades into the picture, 0..0.5. It does not fade at an edge of the
    picture itself.
    """
    if placement.box is None:
        return picture.clone()
    x0, y0, x1, y1 = placement.box
    channels = min(crop.shape[-1], picture.shape[-1])  # transparency stays the picture's own
    patch = _resize(crop[..., :channels].to(picture), (y1 - y0, x1 - x0))
    height, width = picture.shape[:2]
    fade = (
        _make_ramp(y1 - y0, feather, y0 > 0, y1 < height)[:, None]
        * _make_ramp(x1 - x0, feather, x0 > 0, x1 < width)[None]
    )
    pasted = picture.clone()
    region = pasted[y0:y1, x0:x1, :channels]
    region.lerp_(patch, fade[..., None].to(picture))
    return pasted


def mask_head(picture: Tensor, face_box, scale: float = 2.0, feather: float = 0.3) -> Tensor:
    """A soft ellipse around a face box, `scale` boxes wide and high: [H, W], 0..1.

    feather: part of the ellipse's radius over which it fades out, 0..1.
    """
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in face_box)
    across = (torch.arange(width) + 0.5 - (x0 + x1) / 2) / ((x1 - x0) * scale / 2)
    down = (torch.arange(height) + 0.5 - (y0 + y1) / 2) / ((y1 - y0) * scale / 2)
    radius = (across[None] ** 2 + down[:, None] ** 2).sqrt()
    return ((1 - radius) / max(feather, 1e-6)).clamp(0, 1)


def _make_ramp(length: int, feather: float, at_start: bool, at_end: bool) -> Tensor:
    """Weights [length] that rise from both ends over `feather` of the length along a cosine."""
    ends = torch.full((length,), float(length))
    distance = torch.arange(length) + 0.5
    nearest = torch.minimum(distance if at_start else ends, distance.flip(0) if at_end else ends)
    reached = (nearest / max(length * feather, 1e-6)).clamp(0, 1)
    return (1 - torch.cos(reached * torch.pi)) / 2


def _resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    channels_first = picture.movedim(-1, 0)[None].float()
    resized = F.interpolate(channels_first, size, mode="bicubic", antialias=True, align_corners=False)
    return resized[0].movedim(0, -1).clamp(0, 1).to(picture.dtype)
