"""Perceiver resampler: a few latent tokens attend to many image tokens.

Parameter names are those of the released checkpoints (functions.py, FacePerceiverResampler and AttentionMLP).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD_WIDTH = 64


class PerceiverAttention(nn.Module):
    """Latents attend to the image tokens and to themselves."""

    def __init__(self, width: int, heads: int, operations=nn, **factory):
        super().__init__()
        inner = HEAD_WIDTH * heads
        self.heads = heads
        self.norm1 = operations.LayerNorm(width, **factory)
        self.norm2 = operations.LayerNorm(width, **factory)
        self.to_q = operations.Linear(width, inner, bias=False, **factory)
        self.to_kv = operations.Linear(width, inner * 2, bias=False, **factory)
        self.to_out = operations.Linear(inner, width, bias=False, **factory)

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        latents = self.norm2(latents)
        context = torch.cat((self.norm1(features), latents), dim=1)
        query = self._split_heads(self.to_q(latents))
        key, value = (self._split_heads(x) for x in self.to_kv(context).chunk(2, dim=-1))
        return self.to_out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, HEAD_WIDTH)).transpose(1, 2)


def feed_forward(width: int, operations=nn, **factory) -> nn.Sequential:
    return nn.Sequential(
        operations.LayerNorm(width, **factory),
        operations.Linear(width, width * 4, bias=False, **factory),
        nn.GELU(),
        operations.Linear(width * 4, width, bias=False, **factory),
    )


class PerceiverResampler(nn.Module):
    """Latents that attend to features; where the latents come from, those who use it say."""

    def __init__(
        self, width: int, depth: int, heads: int, input_width: int, output_width: int, operations=nn, **factory
    ):
        super().__init__()
        self.proj_in = operations.Linear(input_width, width, **factory)
        self.proj_out = operations.Linear(width, output_width, **factory)
        self.norm_out = operations.LayerNorm(output_width, **factory)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    PerceiverAttention(width, heads, operations, **factory),
                    feed_forward(width, operations, **factory),
                ]
            )
            for _ in range(depth)
        )

    def resample(self, latents: Tensor, features: Tensor) -> Tensor:
        """latents [B, N, width] and features [B, T, input_width] -> [B, N, output_width]."""
        features = self.proj_in(features)
        for layer in self.layers:
            attention, feed = layer.children()
            latents = attention(features, latents) + latents
            latents = feed(latents) + latents
        return self.norm_out(self.proj_out(latents))
