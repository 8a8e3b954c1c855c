"""Pictures of a micro-batch -> noisy latents, and what the UNet should say of them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..adapter.config import AdapterConfig
from ..headless.clip_text import ClipText
from ..headless.pipeline import import_diffusers
from .chance import Chance, draw_chance
from .config import TrainingConfig


class FrozenBase:
    """The base model's VAE, text encoders and noise schedule.

    The VAE stays in float32, in which it was loaded: SDXL's needs it.
    """

    def __init__(self, pipeline, base: AdapterConfig, config: TrainingConfig, device, dtype: torch.dtype):
        self.base, self.config, self.device = base, config, device
        self.clip = ClipText(pipeline, base)
        self.vae = pipeline.vae.to(device)
        for module in (self.vae, *self.clip.encoders):
            module.eval().requires_grad_(False)
        for encoder in self.clip.encoders:
            encoder.to(device, dtype)
        self.noise_schedule = import_diffusers().DDPMScheduler.from_config(pipeline.scheduler.config)

    def draw_chance(self, ordinal: int, shape) -> Chance:
        return draw_chance(self.config, ordinal, shape, self.noise_schedule.config.num_train_timesteps)

    def _encode_images(self, images: Tensor) -> Tensor:
        encoded = self.vae.encode(images)
        if hasattr(encoded, "latent_dist"):
            return torch.stack([encoded.latent_dist.mean, encoded.latent_dist.std], dim=1)
        return torch.stack([encoded.latents, torch.zeros_like(encoded.latents)], dim=1)

    def _add_noise(self, mean: Tensor, spread: Tensor, chances: list[Chance]) -> dict[str, Tensor]:
        noise, posterior = (
            torch.stack([getattr(chance, name) for chance in chances]).to(self.device)
            for name in ("noise", "posterior")
        )
        timesteps = torch.tensor([chance.timestep for chance in chances], device=self.device)
        clean = (mean + spread * posterior) * self.vae.config.scaling_factor
        schedule = self.noise_schedule
        targets = {
            "epsilon": lambda: noise,
            "v_prediction": lambda: schedule.get_velocity(clean, noise, timesteps),
            "sample": lambda: clean,
        }
        target = targets[schedule.config.prediction_type]()
        return {"noisy": schedule.add_noise(clean, noise, timesteps), "timesteps": timesteps, "target": target}

    def _fit_masks(self, masks: list[Tensor], size) -> Tensor:
        """Masks [1, S, S] at the latents' size, [B, 1, h, w]; an empty one counts as the whole picture."""
        known = torch.stack([mask if mask.any() else torch.ones_like(mask) for mask in masks])
        return F.interpolate(known.to(self.device), size, mode="bilinear", antialias=True)
