"""What training makes small: the error of the noise, and facial tokens that look beyond their region.

The localisation loss is that of the paper (section 3.3, after FastComposer), on cross-attention.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_EPSILON = 1e-5


def measure_noise_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over all values, those outside the mask counting as right.

    prediction and target: [B, C, h, w]; mask: [B, 1, h, w], 0..1, ones for rows whose whole picture counts.
    """
    return ((prediction.float() - target.float()) * mask).square().mean()


def measure_localisation_loss(maps: dict[str, Tensor], masks: Tensor, valid: Tensor) -> Tensor:
    """Mean over the layers of measure_layer_loss. maps: {layer: [B, H, P, N]}, of any resolutions."""
    return torch.stack([measure_layer_loss(layer, masks, valid) for layer in maps.values()]).mean()


def measure_layer_loss(maps: Tensor, masks: Tensor, valid: Tensor, normalize: bool = True) -> Tensor:
    """How much more facial tokens look at the background than at their region: mean over rows, heads and tokens.

    maps: cross-attention [B, H, P, N] of P latent pixels to N facial tokens; masks: [B, N, h, w], 0..1, of the region
    of each token; valid: [B, N], False for places without a token. A row without a token counts as 0.
    """
    losses = balance(maps, fit_masks(masks, maps.shape[2]).unsqueeze(1), normalize) * valid[:, None]
    return (losses.sum(-1) / (valid.sum(-1)[:, None] + _EPSILON)).mean()


def balance(maps: Tensor, masks: Tensor, normalize: bool = True) -> Tensor:
    """Mean of a map over the background minus its mean over the region: [B, H, P, N] and masks alike -> [B, H, N].

    normalize: each map is divided by its largest value first.
    """
    if normalize:
        maps = maps / (maps.amax(dim=2, keepdim=True) + _EPSILON)
    background = 1 - masks
    outside = (maps * background).sum(2) / (background.sum(2) + _EPSILON)
    inside = (maps * masks).sum(2) / (masks.sum(2) + _EPSILON)
    return outside - inside


def measure_mass(maps: dict[str, Tensor], masks: Tensor, valid: Tensor) -> Tensor:
    """Part of the facial tokens' attention that lies in their region, 0..1: mean over layers and valid tokens.

    Not a number when no token is valid.
    """
    shares = []
    for layer in maps.values():
        inside = (layer * fit_masks(masks, layer.shape[2]).unsqueeze(1)).sum(2) / (layer.sum(2) + 1e-12)
        shares.append((inside.mean(1) * valid).sum() / valid.sum())
    return torch.stack(shares).mean()


def fit_masks(masks: Tensor, pixels: int) -> Tensor:
    """Masks [B, N, h, w] at the resolution of a map of P pixels, smaller or larger: [B, P, N]."""
    height = round(math.sqrt(pixels * masks.shape[2] / masks.shape[3]))
    fitted = F.interpolate(masks.float(), (height, pixels // height), mode="bilinear", antialias=True)
    return fitted.flatten(2).transpose(1, 2)
