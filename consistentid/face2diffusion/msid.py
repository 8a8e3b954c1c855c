"""MSID, the multi-scale identity encoder: a vision transformer whose class token is read at four depths.

Parameter names of the released msid.pt: timm's, with norms for each of the four depths.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..face.face import CROP_PX

HEAD_WIDTH = 32
_BLOCK_EPS = 1e-6


@dataclass(frozen=True)
class EncoderSizes:
    """Sizes of an encoder, by default those that are released.

    patch_px: of a patch; taps: blocks, counted from 0, behind which the class token is
    read.
    """

    patch_px: int = 8
    width: int = 384
    depth: int = 12
    taps: tuple[int, ...] = (2, 5, 8, 11)

    @property
    def feature_width(self) -> int:
        return self.width * len(self.taps)


def read_encoder_sizes(state: Mapping[str, Tensor]) -> EncoderSizes:
    """Those of a weights file, told by names and shapes; the released ones for a file of something else."""
    try:
        width, _, patch, _ = state["patch_embed.proj.weight"].shape
        depth = 1 + max(int(key.split(".")[1]) for key in state if re.match(r"blocks\.\d+\.", key))
        taps = sorted({int(found[1]) for key in state if (found := re.match(r"norms\.layer_(\d+)\.", key))})
    except (KeyError, ValueError, AttributeError, IndexError):
        return EncoderSizes()
    if not taps or width % HEAD_WIDTH or CROP_PX % patch or taps[-1] >= depth:
        return EncoderSizes()
    return EncoderSizes(patch, width, depth, tuple(taps))


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.qkv = nn.Linear(width, width * 3)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(-1, (3, -1, HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, width * 4)
        self.fc2 = nn.Linear(width * 4, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_BLOCK_EPS)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width, eps=_BLOCK_EPS)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    def __init__(self, sizes: EncoderSizes):
        super().__init__()
        self.proj = nn.Conv2d(3, sizes.width, sizes.patch_px, sizes.patch_px)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.proj(pixels).flatten(2).transpose(1, 2)


class MSIDEncoder(nn.Module):
    """Aligned faces, RGB [B, 3, 112, 112] in -1..1 -> identity features [B, 1536], not normalised; other sizes, others.

    `norm` is in the released file, and read by nobody.
    """

    def __init__(self, sizes: EncoderSizes | None = None):
        super().__init__()
        self.sizes = sizes = sizes or EncoderSizes()
        patches, width = (CROP_PX // sizes.patch_px) ** 2, sizes.width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + 1, width))
        self.patch_embed = PatchEmbedding(sizes)
        self.blocks = nn.ModuleList(Block(width) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(width, eps=_BLOCK_EPS)
        self.norms = nn.ModuleDict(
            {f"layer_{tap}": nn.Sequential(nn.BatchNorm1d(width), nn.LayerNorm(width)) for tap in sizes.taps}
        )

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.list_class_tokens(pixels)
        return torch.cat([self.norms[f"layer_{tap}"](tokens[tap]) for tap in self.sizes.taps], dim=1)

    def list_class_tokens(self, pixels: Tensor) -> list[Tensor]:
        """The class token [B, D] behind every block."""
        patches, tokens = self.patch_embed(pixels), []
        x = torch.cat((self.cls_token.expand(len(patches), -1, -1), patches), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
            tokens.append(x[:, 0])
        return tokens
