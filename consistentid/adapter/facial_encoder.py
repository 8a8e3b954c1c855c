"""FacialEncoder: one token per facial region, fused into the text tokens that name the regions.

Paper section 3.2; parameter names of the released checkpoint (attention.py, FacialEncoder).
"""

import torch
from torch import Tensor, nn

from .config import RELEASED_SIZES, NetworkSizes
from .resampler import PerceiverResampler


class VisualProjection(PerceiverResampler):
    """CLIP hidden states of R region images [R, 257, 1280] -> [R, 1, D], through one learned latent."""

    def __init__(self, width: int, sizes: NetworkSizes, operations=nn, **factory):
        layers = (sizes.latent_width, sizes.latent_depth, sizes.latent_heads)
        super().__init__(*layers, sizes.image_width, width, operations, **factory)
        self.latents = nn.Parameter(torch.zeros(1, 1, sizes.latent_width, **factory))

    def forward(self, features: Tensor) -> Tensor:
        latents = self.latents.to(features).expand(features.shape[0], -1, -1)
        return self.resample(latents, features)


class MLP(nn.Module):
    def __init__(self, input_width: int, output_width: int, operations=nn, **factory):
        super().__init__()
        self.layernorm = operations.LayerNorm(input_width, **factory)
        self.fc1 = operations.Linear(input_width, output_width, **factory)
        self.fc2 = operations.Linear(output_width, output_width, **factory)
        self.act_fn = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act_fn(self.fc1(self.layernorm(x))))


class FuseModule(nn.Module):
    """Text tokens [N, D] and region tokens [N, D] -> fused tokens [N, D]."""

    def __init__(self, width: int, operations=nn, **factory):
        super().__init__()
        self.mlp1 = MLP(width * 2, width, operations, **factory)
        self.mlp2 = MLP(width, width, operations, **factory)
        self.layer_norm = operations.LayerNorm(width, **factory)

    def forward(self, text_tokens: Tensor, region_tokens: Tensor) -> Tensor:
        fused = self.mlp1(torch.cat((text_tokens, region_tokens), dim=-1)) + text_tokens
        fused = self.mlp2(fused) + fused
        return self.layer_norm(fused)


class FacialEncoder(nn.Module):
    """Facial tokens for a text embedding of width D (768 for SD1.5, 2048 for SDXL); shapes as with RELEASED_SIZES."""

    def __init__(self, width: int = 768, operations=nn, sizes: NetworkSizes = RELEASED_SIZES, **factory):
        super().__init__()
        self.visual_projection = VisualProjection(width, sizes, operations, **factory)
        self.fuse_module = FuseModule(width, operations, **factory)

    def encode_regions(self, region_features: Tensor) -> Tensor:
        """CLIP penultimate hidden states of R region images [R, 257, 1280] -> region tokens [R, D]."""
        return self.visual_projection(region_features).squeeze(1)

    def forward(
        self, text: Tensor, region_tokens: Tensor, positions: Tensor, strengths: Tensor | None = None
    ) -> Tensor:
        """Replace marked text tokens by fused ones; the input is left as it is.

        text: [1, T, D]; region_tokens: [N, D] (or [1, D] for all); positions: indices into T in marker order, [N],
        or [N, D] where two text encoders that share D have a word at different places. strengths: [N], how far each
        text token goes to the fused one: 0 not at all, 1 as trained (and without strengths), more beyond it.
        Returns a new [1, T, D] tensor.
        """
        if not len(positions):
            return text.clone()
        rows = positions.view(len(positions), -1).expand(-1, text.shape[-1])
        words = text[0].gather(0, rows)
        fused = self.fuse_module(words, region_tokens.expand(len(rows), -1).to(text)).to(text)
        if strengths is not None:
            fused = torch.lerp(words, fused, strengths[:, None].to(text))
        return text.scatter(1, rows[None], fused[None])
