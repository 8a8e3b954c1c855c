"""Attention masks on the grid of each layer: where a person's tokens may act."""

from collections.abc import Hashable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Added to a score this leaves an attention weight of exactly 0, in half precision too.
_NEVER = -1e4
_KEPT_FITS = 32


class AttentionMask:
    """A MASK [M, H, W] 0..1 of any resolution; M masks go to the images one by one, and start over when they end."""

    def __init__(self, mask: Tensor):
        self.mask = mask.reshape(-1, *mask.shape[-2:])
        self._fitted: dict[tuple, Tensor] = {}

    def fit(self, grid: tuple[int, int], images: int, like: Tensor, area: tuple | None = None) -> Tensor:
        """The mask for one layer with a feature map of `grid` (height, width): [images, height * width, 1].

        area: when the layer sees a part of the picture only, the size of the latent and (height, width, top, left).
        """
        key = (grid, images, like.device, like.dtype, area)
        if key not in self._fitted:
            if len(self._fitted) >= _KEPT_FITS:
                self._fitted.clear()
            mask = self.mask.float()
            if area is not None:
                size, (height, width, top, left) = area
                mask = F.adaptive_avg_pool2d(mask, size)[:, top : top + height, left : left + width]
            fitted = F.adaptive_avg_pool2d(mask, grid)
            rows = [index % len(fitted) for index in range(images)]
            self._fitted[key] = fitted.clamp(0, 1).flatten(1)[rows, :, None].to(like)
        return self._fitted[key]


@dataclass(frozen=True, eq=False)
class TokenMask:
    """Text tokens that act only inside a mask: positions [N] in a text of `length` tokens."""

    positions: Tensor
    length: int
    mask: AttentionMask


class TokenMasks:
    """The token masks of one run, by the host's id of each condition. Layers of one size share what is made of them."""

    def __init__(self, by_condition: dict[Hashable, list[TokenMask]]):
        self.by_condition = by_condition
        self._biases: dict[tuple, Tensor] = {}

    def make_bias(
        self, conditions: list[Hashable], areas: list[tuple | None], grid: tuple[int, int], query: Tensor, length: int
    ) -> Tensor | None:
        """What to add to attention scores so that masked tokens act inside their masks only: [B, h * w, length].

        conditions, areas: of each part of the batch (see AttentionMask.fit); None if none has token masks. query:
        [B, h * w, C]; length: tokens of the text embedding, which the host repeats where two texts of different
        lengths share a batch.
        """
        masks = [self.by_condition.get(condition, []) for condition in conditions]
        if not any(masks):
            return None
        key = (*conditions, grid, len(query), length, query.device, query.dtype)
        if key not in self._biases:
            self._biases[key] = _build_bias(masks, areas, grid, query, length)
        return self._biases[key]


def _build_bias(masks: list[list[TokenMask]], areas: list, grid: tuple[int, int], query: Tensor, length: int) -> Tensor:
    bias = torch.zeros(*query.shape[:2], length, device=query.device, dtype=query.dtype)
    for part, area, rows in zip(masks, areas, bias.chunk(len(masks)), strict=True):
        for token_mask in part:
            fitted = token_mask.mask.fit(grid, len(rows), query, area).log().clamp_min(_NEVER)
            starts = torch.arange(0, length, token_mask.length)[:, None]
            columns = (token_mask.positions + starts).flatten()
            columns = columns[columns < length]  # another pack may have put tokens behind the text
            rows[:, :, columns.to(rows.device)] = fitted.expand(-1, -1, len(columns))
    return bias
