"""The base model: a diffusion UNet with SD1.5's kinds of blocks and its text encoder, trained together."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from consistentid.adapter.config import ZOO

from .fit import find_device, fit
from .language import FORMS, LENGTH, WIDTH, make_text_encoder, tokenize, write_texts
from .pictures import Pictures

SIDE_PX, _ = ZOO.size_px
BATCH = 32
UNET = dict(
    block_out_channels=(64, 128, 128),
    layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=WIDTH,
    attention_head_dim=4,
    sample_size=SIDE_PX // 8,
)
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SNR_LIMIT = 5.0


def train_base_model(
    pictures: Pictures, latents: Tensor, tokenizer, steps: int, curves: Path, seed: int = 0
) -> nn.ModuleDict:
    """{"unet", "text_encoder"}: they predict the noise in the latents [N, 4, 16, 16] of pictures from their texts.

    Losses are weighed by min(SNR, 5) / SNR (Hang et al. 2023, arXiv 2303.09556), which a short training needs.
    """
    from diffusers import DDPMScheduler, UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    device = find_device()
    parts = nn.ModuleDict({"unet": UNet2DConditionModel(**UNET), "text_encoder": make_text_encoder(tokenizer)})
    parts.to(device)
    parts["unet"].set_attn_processor(AttnProcessor())  # on a CPU its gradient is faster than the fused one's
    texts = write_texts(pictures)
    tokens = tokenize(tokenizer, [text for row in texts for text in row]).reshape(len(texts), len(FORMS), LENGTH)
    scheduler = DDPMScheduler(**NOISE)
    kept = scheduler.alphas_cumprod.to(device)

    def measure_loss(step: int) -> Tensor:
        rows = rng.integers(len(latents), size=BATCH)
        forms = rng.choice(len(FORMS), size=BATCH, p=list(FORMS.values()))
        clean = latents[rows].to(device)
        noise, times = torch.randn_like(clean), torch.randint(0, len(kept), (BATCH,), device=device)
        noisy = scheduler.add_noise(clean, noise, times)
        text = parts["text_encoder"](torch.from_numpy(tokens[rows, forms]).to(device)).last_hidden_state
        error = (parts["unet"](noisy, times, text).sample.float() - noise).square().mean(dim=(1, 2, 3))
        snr = kept[times] / (1 - kept[times])
        return (error * snr.clamp(max=SNR_LIMIT) / snr).mean()

    return fit("base_model", parts, measure_loss, steps, 5e-4, curves, averaged=True)


def build_pipeline(parts: nn.ModuleDict, vae: nn.Module, tokenizer):
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    others = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline(
        **parts, vae=vae, tokenizer=tokenizer, scheduler=EulerDiscreteScheduler(**NOISE), **others
    )
