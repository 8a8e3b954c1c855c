"""A small face detector in the form of SCRFD (arXiv 2105.04714), whose outputs InsightFace reads.

Two anchors at each place of three grids, of strides 8, 16 and 32 px. An anchor tells whether a face of about its size
is there, how far away its sides are and where its landmarks are.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import convolve

STRIDES = (8, 16, 32)
ANCHORS = (2.0, 4.0)
"""Sides of the two anchors, in strides."""
FAR = 2
"""Dilation of the last layers."""
VALUES = {"score": 1, "box": 4, "landmarks": 10}


class Scrfd(nn.Module):
    """Pictures [B, 3, H, W], RGB -1..1, sides divisible by 32 -> nine tensors [B, N, values].

    Scores 0..1 for strides 8, 16 and 32, then the boxes, then the landmarks; N is 2 H W / stride². Boxes are distances
    from the anchor's place to the left, top, right and bottom side; landmarks are x, y from there; both in strides.
    """

    reach: Tensor

    def __init__(self, widths: Sequence[int] = (16, 24, 48, 64, 48), neck: int = 48):
        super().__init__()
        stem, quarter, *levels = widths
        self.stem = nn.Sequential(convolve(3, stem, stride=2), convolve(stem, quarter, stride=2))
        stages = [
            nn.Sequential(convolve(inputs, outputs, stride=2), convolve(outputs, outputs))
            for inputs, outputs in zip((quarter, *levels), levels, strict=False)
        ]
        # A large face fills ten places: the last layers look far around.
        stages[-1].extend(convolve(levels[-1], levels[-1], dilation=FAR) for _ in range(2))
        self.levels = nn.ModuleList(stages)
        self.laterals = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in levels)
        # One head for all strides, so it keeps no statistics of its batches.
        self.head = nn.Sequential(nn.Conv2d(neck, neck, 3, 1, 1), nn.ReLU())
        self.answers = nn.ModuleDict({name: nn.Conv2d(neck, 2 * count, 1) for name, count in VALUES.items()})
        self.register_buffer("reach", torch.tensor(ANCHORS).view(2, 1) / 2, persistent=False)
        nn.init.constant_(self.answers["score"].get_parameter("bias"), -4.0)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        features = [self.head(feature) for feature in self._look(self.stem(pictures))]
        scores = [self._answer("score", feature).float().sigmoid() for feature in features]
        boxes = [(1 + self._answer("box", feature).float()) * self.reach for feature in features]
        landmarks = [self._answer("landmarks", feature).float() * self.reach for feature in features]
        return tuple(answer.flatten(1, 3) for answer in (*scores, *boxes, *landmarks))

    def _look(self, x: Tensor) -> list[Tensor]:
        """Features for each stride; what coarser strides saw is added to finer ones."""
        features = []
        for level, lateral in zip(self.levels, self.laterals, strict=True):
            x = level(x)
            features.append(lateral(x))
        for fine in (1, 0):
            features[fine] = features[fine] + F.interpolate(features[fine + 1], scale_factor=2.0)
        return features

    def _answer(self, name: str, feature: Tensor) -> Tensor:
        """[B, height, width, anchors, values]"""
        return self.answers[name](feature).unflatten(1, (2, VALUES[name])).permute(0, 3, 4, 1, 2)


def place_anchors(side_px: int) -> tuple[Tensor, Tensor]:
    """Places [N, 2] and sides [N] of all anchors of a square picture, in pixels, in the order of the outputs."""
    places, sides = [], []
    for stride in STRIDES:
        line = torch.arange(side_px // stride) * float(stride)
        y, x = torch.meshgrid(line, line, indexing="ij")
        places.append(torch.stack([x, y], dim=2).view(-1, 2).repeat_interleave(2, dim=0))
        sides.append(torch.tensor(ANCHORS).mul(stride).repeat(len(line) ** 2))
    return torch.cat(places), torch.cat(sides)
