"""The base model: a diffusion UNet with SD1.5's kinds of blocks and its text encoder, trained together."""

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from consistentid.adapter.config import ZOO
from consistentid.headless.pipeline import import_diffusers

from .autoencoder import FACE_LABELS
from .fit import Model, find_device, fit
from .language import FORMS, LENGTH, WIDTH, make_text_encoder, read_tokenizer, tokenize, write_texts
from .pictures import Pictures

SIDE_PX, _ = ZOO.size_px
BATCH = 32
UNET: dict[str, Any] = dict(
    block_out_channels=(64, 96, 96),
    layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=WIDTH,
    attention_head_dim=2,
    sample_size=SIDE_PX // 8,
)
NOISE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SNR_LIMIT = 5.0
FACE_WEIGHT = 4.0
"""How much more a latent counts that lies in brows, eyes, nose or mouth."""


def train_base_model(
    pictures: Pictures, latents: Tensor, tokenizer, steps: int, curves: Path, seed: int = 0
) -> nn.ModuleDict:
    """{"unet", "text_encoder"}: they predict the noise in the latents [N, 4, 16, 16] of pictures from their texts.

    Losses are weighed by min(SNR, 5) / SNR (Hang et al. 2023, arXiv 2303.09556), and each block begins as what it
    was given (Goyal et al. 2017, arXiv 1706.02677): a short training needs both.
    """
    from diffusers.models.attention_processor import AttnProcessor
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(seed)
    device = find_device()
    unet = quieten_blocks(UNet2DConditionModel(**UNET))
    parts = nn.ModuleDict({"unet": unet, "text_encoder": make_text_encoder(tokenizer)}).to(device)
    unet.set_attn_processor(AttnProcessor())  # on a CPU its gradient is faster than the fused one's
    texts = write_texts(pictures)
    tokens = torch.from_numpy(tokenize(tokenizer, [text for row in texts for text in row])).to(device)
    tokens = tokens.view(len(texts), len(FORMS), LENGTH)
    latents, weights = latents.to(device), weigh_faces(pictures.labels).to(device)
    scheduler = import_diffusers().DDPMScheduler(**NOISE)
    kept = scheduler.alphas_cumprod.to(device)

    def sample(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        rows = rng.integers(len(latents), size=BATCH)
        return rows, rng.choice(len(FORMS), size=BATCH, p=list(FORMS.values()))

    def measure_loss(rows: Tensor, forms: Tensor) -> Tensor:
        clean = latents[rows]
        noise, times = torch.randn_like(clean), torch.randint(0, len(kept), (BATCH,), device=device)
        noisy = scheduler.add_noise(clean, noise, times)
        text = parts["text_encoder"](tokens[rows, forms]).last_hidden_state
        error = (unet(noisy, times, text).sample.float() - noise).square() * weights[rows]
        snr = kept[times] / (1 - kept[times])
        return (error.mean(dim=(1, 2, 3)) * snr.clamp(max=SNR_LIMIT) / snr).mean()

    return fit("base_model", parts, sample, measure_loss, steps, 8e-4, seed, curves, averaged=True)


@torch.no_grad()
def quieten_blocks(unet: Model) -> Model:
    """Set the last layer of each residual block and of each transformer, and of all, to nothing."""
    for name, module in unet.named_modules():
        if name.endswith(("conv2", "proj_out", "conv_out")):
            module.get_parameter("weight").zero_()
            module.get_parameter("bias").zero_()
    return unet


def weigh_faces(labels: np.ndarray) -> Tensor:
    """Label maps [N, S, S] -> how much each latent counts, float32 [N, 1, S / 16, S / 16], about 1 on average."""
    count = labels.shape[1] // 16
    shares = [np.isin(face, FACE_LABELS).reshape(count, 16, count, 16).mean(axis=(1, 3)) for face in labels]
    weights = 1 + (FACE_WEIGHT - 1) * torch.from_numpy(np.stack(shares)[:, None]).float()
    return weights / weights.mean()


def build_pipeline(parts: nn.ModuleDict, vae: nn.Module, tokenizer):
    diffusers = import_diffusers()
    others = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return diffusers.StableDiffusionPipeline(
        **parts, vae=vae, tokenizer=tokenizer, scheduler=diffusers.EulerDiscreteScheduler(**NOISE), **others
    )


def write_base_model(parts: nn.ModuleDict, vae: nn.Module, words: Path, folder: Path) -> None:
    """As a folder of diffusers, weights in float16; what was given stays as it is.

    words: the tokenizer's folder, whose files older versions of transformers need too.
    """
    pipeline = build_pipeline(copy.deepcopy(parts), copy.deepcopy(vae), read_tokenizer(words))
    pipeline.vae.register_to_config(_name_or_path="")
    pipeline.to(dtype=torch.float16, silence_dtype_warnings=True).save_pretrained(folder)
    shutil.copytree(words, folder / "tokenizer", dirs_exist_ok=True)
