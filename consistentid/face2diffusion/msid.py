"""MSID, the multi-scale identity encoder: a vision transformer whose class token is read at four depths.

Parameter names of the released msid.pt: timm's, with norms for each of the four depths.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE_PX = 112
PATCH_PX = 8
WIDTH = 384
HEADS = 12
DEPTH = 12
TAPS = (2, 5, 8, 11)
FEATURE_WIDTH = WIDTH * len(TAPS)
_BLOCK_EPS = 1e-6


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, WIDTH * 3)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(-1, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, WIDTH * 4)
        self.fc2 = nn.Linear(WIDTH * 4, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=_BLOCK_EPS)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(WIDTH, eps=_BLOCK_EPS)
        self.mlp = FeedForward()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH_PX, PATCH_PX)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.proj(pixels).flatten(2).transpose(1, 2)


class MSIDEncoder(nn.Module):
    """Aligned faces, RGB [B, 3, 112, 112] in -1..1 -> identity features [B, 1536], not normalised.

    `norm` is in the released file, and read by nobody.
    """

    def __init__(self):
        super().__init__()
        patches = (SIDE_PX // PATCH_PX) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, WIDTH))
        self.patch_embed = PatchEmbedding()
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, eps=_BLOCK_EPS)
        self.norms = nn.ModuleDict(
            {f"layer_{tap}": nn.Sequential(nn.BatchNorm1d(WIDTH), nn.LayerNorm(WIDTH)) for tap in TAPS}
        )

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embed(pixels)
        x = torch.cat((self.cls_token.expand(len(patches), -1, -1), patches), dim=1) + self.pos_embed
        parts = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in TAPS:
                parts.append(self.norms[f"layer_{number}"](x[:, 0]))
        return torch.cat(parts, dim=1)
