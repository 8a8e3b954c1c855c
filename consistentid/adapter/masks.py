"""Attention masks on the grid of each layer: where a person's tokens may act."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConsistentIDError
from ..finite import is_finite

# Added to a score this leaves an attention weight of exactly 0, in half precision too.
_NEVER = -1e4
_KEPT_FITS = 256
_KEPT_BIASES = 16


# Number of the image, and the size of the latent with (height, width, top, left) of the part that is shown; None: all.
Place = tuple[int, tuple[tuple[int, int], tuple[int, int, int, int]] | None]


class AttentionMask:
    """A MASK [M, H, W] 0..1 of any resolution; M masks go to the images one by one, and start over when they end."""

    def __init__(self, mask: Tensor):
        if not is_finite(mask):
            raise ConsistentIDError("The mask holds values that are no numbers (NaN). Connect a mask of 0 to 1.")
        self.mask = mask.reshape(-1, *mask.shape[-2:])
        self._fitted: dict[tuple, Tensor] = {}
        self._sized: dict[tuple[int, int], Tensor] = {}

    def fit(self, grid: tuple[int, int], places: tuple[Place, ...], like: Tensor) -> Tensor:
        """The mask for one layer with a feature map of `grid` (height, width): [rows, height * width, 1].

        places: what each row shows. Raises ConsistentIDError where the image is unknown (-1) and masks differ.
        """
        key = (grid, places, like.device, like.dtype)
        fitted = self._fitted.get(key)
        if fitted is None:
            if len(self._fitted) >= _KEPT_FITS:
                self._fitted.clear()
            shared = {area: self._pool(grid, area) for area in {area for _, area in places}}
            rows = [shared[area][self._find(image)] for image, area in places]
            fitted = self._fitted[key] = torch.stack(rows).clamp(0, 1).flatten(1)[..., None].to(like)
        return fitted

    def _pool(self, grid: tuple[int, int], area: tuple | None) -> Tensor:
        if area is None:
            return F.adaptive_avg_pool2d(self.mask.float(), grid)
        size, (height, width, top, left) = area
        if size not in self._sized:
            self._sized = {size: F.adaptive_avg_pool2d(self.mask.float(), size)}
        return F.adaptive_avg_pool2d(self._sized[size][:, top : top + height, left : left + width], grid)

    def _find(self, image: int) -> int:
        if image < 0 and len(self.mask) > 1:
            raise ConsistentIDError(
                f"There are {len(self.mask)} masks of a person, one for each image, and another node draws images "
                "without telling which. Give one mask for all of them, or remove that node."
            )
        return max(image, 0) % len(self.mask)


@dataclass(frozen=True, eq=False)
class TokenMask:
    """Text tokens that act only inside a mask: positions [N] in a text of `length` tokens."""

    positions: Tensor
    length: int
    mask: AttentionMask


def mask_tokens(masks: Sequence[AttentionMask | None], own: Sequence[Tensor], length: int) -> tuple[TokenMask, ...]:
    """The tokens that each person with a mask has in a text of `length` tokens.

    own: positions of each person's; none where the text says nothing of people, as a negative prompt.
    """
    pairs = zip(masks, own, strict=True) if own else ()
    return tuple(TokenMask(positions, length, mask) for mask, positions in pairs if mask is not None and len(positions))


class Biases:
    """The biases of one run (see build_bias), made once for each kind of batch and size of the layers."""

    def __init__(self):
        self._known: dict[tuple, Tensor] = {}

    def get(self, *key) -> Tensor:
        bias = self._known.get(key)
        if bias is None:
            if len(self._known) >= _KEPT_BIASES:
                self._known.clear()
            bias = self._known[key] = build_bias(*key)
        return bias


def build_bias(
    masks: tuple[tuple[TokenMask, ...], ...],
    places: tuple[Place, ...],
    grid: tuple[int, int],
    length: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """What to add to attention scores so that masked tokens act inside their masks only: [B, h * w, length].

    masks, places: of each row. length: tokens of the text embedding, which the host repeats where two texts of
    different lengths share a batch.
    """
    bias = torch.zeros(len(masks), grid[0] * grid[1], length, device=device, dtype=dtype)
    for row, own, place in zip(bias, masks, places, strict=True):
        for token_mask in own:
            fitted = token_mask.mask.fit(grid, (place,), bias)[0].log().clamp_min(_NEVER)
            # Another pack may have put tokens behind the text: then it is there once.
            starts = torch.arange(0, length if length % token_mask.length == 0 else 1, token_mask.length)[:, None]
            columns = (token_mask.positions + starts).flatten()
            # Where two text encoders differ in places, a row may belong to two people: it acts where both are.
            row[:, columns.to(device)] += fitted
    return bias
