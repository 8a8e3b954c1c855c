"""The image autoencoder in TAESD's form, which diffusers and ComfyUI know: 8 px a latent, four channels."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consistentid.face.parsing import LABELS

from .fit import fit, move_to_device, speed_up
from .pictures import Pictures

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

CROP_PX = 64
BATCH = 16
LATENT_NOISE = 0.05
COLOURS = ((0.5774, 0.5774, 0.5774), (0.7071, 0.0, -0.7071), (0.4082, -0.8165, 0.4082))
SPREADS = (0.36, 0.24, 0.2)
"""Luma and two chroma, orthonormal rows, and what each is divided by to lie in the decoder's -3..3."""
FACE_WEIGHT = 3.0
"""How much more a pixel of a face counts: eyes and mouth are a few latents large."""
FEATURES = ("l_brow", "r_brow", "l_eye", "r_eye", "glasses", "nose", "mouth", "u_lip", "l_lip")
FACE_LABELS = tuple(map(LABELS.index, FEATURES))


def train_autoencoder(pictures: Pictures, steps: int, curves: Path, seed: int = 0) -> "AutoencoderTiny":
    """Trained on parts of the pictures at half their size.

    Noise on the latents makes neighbouring latents look alike, so that a picture sampled a little off is still right.
    """
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    torch.manual_seed(seed)
    vae = move_to_device(start_autoencoder(AutoencoderTiny()))

    def measure_loss(pixels: Tensor, weight: Tensor) -> Tensor:
        latents = vae.encoder(pixels).float()
        return measure_error(vae, latents, pixels, weight) + 0.05 * measure_spread(latents)

    crop = partial(sample_crops, pictures)
    return fit("autoencoder", vae, crop, measure_loss, steps, 1e-3, seed, curves, averaged=True)


def train_decoder(
    vae: "AutoencoderTiny", pictures: Pictures, steps: int, curves: Path, seed: int = 1
) -> "AutoencoderTiny":
    """Go on with the decoder alone, so that the latents stay what a base model learns from meanwhile.

    With the seed of the first training it would see the same parts again.
    """
    move_to_device(vae).encoder.eval()

    def measure_loss(pixels: Tensor, weight: Tensor) -> Tensor:
        with torch.no_grad():
            latents = vae.encoder(pixels).float()
        return measure_error(vae, latents, pixels, weight)

    crop = partial(sample_crops, pictures)
    fit("decoder", vae.decoder, crop, measure_loss, steps, 1e-3, seed, curves, averaged=True)
    return vae.eval()


@torch.no_grad()
def start_autoencoder(vae: "AutoencoderTiny") -> "AutoencoderTiny":
    """Weights with which three latents are the mean colour of their 8 x 8 px, as COLOURS, and are drawn as such.

    All other channels begin at random with He's variance, the blocks' last convolutions at nothing: training adds the
    details, and need not find out colours first.
    """
    from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock

    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in vae.modules():
        if isinstance(module, AutoencoderTinyBlock):
            nn.init.zeros_(module.conv[-1].get_parameter("weight"))
    for side in (vae.encoder, vae.decoder):
        for layer in side.layers:
            if isinstance(layer, nn.Conv2d):
                _pass_colours(layer)
    last, first = (dict(layer.named_parameters()) for layer in (vae.encoder.layers[-1], vae.decoder.layers[0]))
    mix, spread = torch.tensor(COLOURS), torch.tensor(SPREADS)[:, None]
    last["weight"][:3, :3, 1, 1], first["weight"][:3, :3, 1, 1] = mix / spread, (mix * spread).T
    last["bias"][:3], first["bias"][:3] = -(mix / spread).sum(dim=1) / 2, 0.5
    return vae


def _pass_colours(layer: nn.Conv2d) -> None:
    """Have the first three channels pass through: in a layer of stride 2 as the mean of 2 x 2 px."""
    layer.weight[:3] = 0
    for channel in range(3):
        if layer.stride == (2, 2):
            layer.weight[channel, channel, 1:, 1:] = 0.25
        else:
            layer.weight[channel, channel, 1, 1] = 1


def sample_crops(pictures: Pictures, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Parts of pictures [BATCH, 3, CROP_PX, CROP_PX] in -1..1, half of them of faces; weights of their pixels."""
    pixels, weights = [], []
    for number, row in enumerate(sorted(pictures.choose_rows(rng, BATCH))):
        image, labels = pictures.images[row], pictures.labels[row]
        limit = len(labels) - 2 * CROP_PX
        corner = rng.integers(0, limit + 1, size=2)
        if number % 2:
            middle = pictures.landmarks[row].mean(axis=0)[::-1] + rng.normal(0, 16, size=2)
            corner = (middle - CROP_PX).clip(0, limit).astype(int)
        top, left = corner // 2 * 2
        part = np.s_[top : top + 2 * CROP_PX, left : left + 2 * CROP_PX]
        pixels.append(halve(image[part]))
        weights.append(1 + (FACE_WEIGHT - 1) * halve(np.isin(labels[part], FACE_LABELS)[..., None]))
    pixels, weights = (np.stack(x).transpose(0, 3, 1, 2).astype(np.float32) for x in (pixels, weights))
    return pixels / 127.5 - 1, weights


def halve(image: np.ndarray) -> np.ndarray:
    """[..., 2H, 2W, C] -> float32 [..., H, W, C]: the mean of each four pixels."""
    *batch, height, width, channels = image.shape
    return image.reshape(*batch, height // 2, 2, width // 2, 2, channels).mean(axis=(-4, -2), dtype=np.float32)


def measure_error(vae: "AutoencoderTiny", latents: Tensor, pixels: Tensor, weight: Tensor) -> Tensor:
    """How far pictures drawn from latents with some noise are from their pixels."""
    drawn = vae.decoder(latents + LATENT_NOISE * torch.randn_like(latents)).float()
    return ((drawn - pixels).abs() * weight).mean() + 0.5 * compare_edges(drawn, pixels, weight)


def compare_edges(drawn: Tensor, pixels: Tensor, weight: Tensor) -> Tensor:
    """Mean weighted difference of neighbouring pixels' differences, which keeps outlines sharp."""
    error = drawn - pixels
    across, down = error.diff(dim=3) * weight[..., 1:], error.diff(dim=2) * weight[..., 1:, :]
    return across.abs().mean() + down.abs().mean()


def measure_spread(latents: Tensor) -> Tensor:
    """How far the channels are from mean 0 and variance 1."""
    variance, mean = torch.var_mean(latents, dim=(0, 2, 3))
    return (mean.square() + (variance - 1).square()).mean()


@torch.inference_mode()
def encode_pictures(vae: "AutoencoderTiny", images: np.ndarray, batch: int = 4) -> Tensor:
    """RGB uint8 [N, 2S, 2S, 3] -> latents [N, 4, S/8, S/8] of the pictures at half their size."""
    parts = []
    for start in range(0, len(images), batch):
        small = halve(images[start : start + batch]).transpose(0, 3, 1, 2) / 127.5 - 1
        pixels = torch.from_numpy(small).to(vae.device).contiguous(memory_format=torch.channels_last)
        with speed_up():
            parts.append(vae.encoder(pixels).float().cpu())
    return torch.cat(parts)


@torch.inference_mode()
def measure_psnr(vae: "AutoencoderTiny", pictures: Pictures) -> float:
    """Peak signal-to-noise ratio in dB of decoded pictures."""
    latents = encode_pictures(vae, pictures.images)
    errors = []
    for image, latent in zip(pictures.images, latents, strict=True):
        drawn = vae.decoder(latent[None].to(vae.device, vae.dtype)).float().cpu().clamp(-1, 1)
        original = torch.from_numpy(halve(image).transpose(2, 0, 1)[None] / 127.5 - 1)
        errors.append(F.mse_loss(drawn, original).item())
    return float(10 * np.log10(4 / np.mean(errors)))
