"""What is left to chance in training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.region_words import EXTRA_LABELS
from .config import TrainingConfig
from .samples import make_generator


@dataclass(frozen=True)
class Chance:
    """Of one sample: noise and posterior like its latents [4, h, w]; left_out: keys of extra regions that get no facial
    token; the rest yes or no."""

    noise: Tensor
    posterior: Tensor
    timestep: int
    is_masked: bool
    is_dropped: bool
    is_id_dropped: bool
    left_out: frozenset[str]


def draw_chance(config: TrainingConfig, ordinal: int, shape, timesteps: int) -> Chance:
    """The chance of one sample of the run, whatever device and batch it is in. timesteps: of the noise schedule.

    The order of the draws stays, so that runs stay the same: what is new comes last.
    """
    generator = make_generator(config.seed, 1, ordinal)
    masked, dropped = torch.rand(2, generator=generator).tolist()
    return Chance(
        noise=torch.randn(shape, generator=generator),
        posterior=torch.randn(shape, generator=generator),
        timestep=int(torch.randint(timesteps, (), generator=generator)),
        is_masked=masked < config.mask_probability,
        is_dropped=dropped < config.drop_probability,
        is_id_dropped=float(torch.rand((), generator=generator)) < config.id_drop_probability,
        left_out=frozenset(key for key in EXTRA_LABELS if _happens(generator, config.extra_drop_probability)),
    )


def _happens(generator: torch.Generator, probability: float) -> bool:
    return float(torch.rand((), generator=generator)) < probability
