"""How much of the cross-attention goes to facial tokens: for the localisation loss, and to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .sites import Site

FacialTokens = dict[str, tuple[int, ...]]
"""{region, such as "eyes" or "A eyes": positions of its facial tokens in the text}."""

Area = tuple[tuple[int, int], tuple[int, int, int, int]]
"""Size of a latent, and (height, width, top, left) of a part of it."""


@dataclass(frozen=True, eq=False)
class RegionMaps:
    """What facial tokens got of the attention in one picture. maps: {region: float32 [S, h, w], 0..1}, the mean over
    heads and layers at each of S steps. steps: their numbers, from 1; count: of all steps of the run."""

    maps: dict[str, Tensor]
    steps: tuple[int, ...]
    count: int


class _Layers(NamedTuple):
    """Layers of one kind at one step."""

    picture: int
    step: int
    regions: tuple[str, ...]
    grid: tuple[int, int]
    area: Area | None

    @property
    def size(self) -> tuple[int, int]:
        return self.area[0] if self.area else self.grid


class AttentionRecord:
    """Sums of a run: for each picture and step, and each resolution of the layers, what `add` was given."""

    def __init__(self):
        self.count = 0
        self._sums: dict[_Layers, tuple[Tensor, int]] = {}

    def add(
        self,
        picture: int,
        step: int,
        regions: Sequence[str],
        maps: Tensor,
        grid: tuple[int, int],
        area: Area | None = None,
    ) -> None:
        """maps: [N, P] of the regions, from a layer of `grid` (height, width); step: from 1; area: the part of the
        picture that it shows, None for all of it."""
        layers, maps = _Layers(picture, step, tuple(regions), grid, area), maps.unflatten(1, grid)
        total, count = self._sums.get(layers, (torch.zeros_like(maps), 0))
        self._sums[layers] = (total + maps, count + 1)

    def rest(self) -> None:
        """Move the sums to the CPU."""
        self._sums = {layers: (total.cpu(), count) for layers, (total, count) in self._sums.items()}

    def read(self, picture: int) -> RegionMaps:
        """The mean over the layers, at the finest resolution among them; without regions where nothing was added."""
        found = {layers: sums for layers, sums in self._sums.items() if layers.picture == picture}
        if not found:
            return RegionMaps({}, (), self.count)
        size = max(layers.size for layers in found)
        regions = list(dict.fromkeys(region for layers in found for region in layers.regions))
        steps = sorted({layers.step for layers in found})
        totals, counts = torch.zeros(2, len(regions), len(steps), *size)
        for layers, (total, count) in found.items():
            rows = torch.tensor([regions.index(region) for region in layers.regions])
            height, width, top, left = layers.area[1] if layers.area else (*size, 0, 0)
            place = (rows, steps.index(layers.step), slice(top, top + height), slice(left, left + width))
            totals[place] += F.interpolate(total[None].cpu(), (height, width), mode="bilinear")[0]
            counts[place] += count
        return RegionMaps(dict(zip(regions, totals / counts.clamp_min(1), strict=True)), tuple(steps), self.count)


def find_attention(query: Tensor, key: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Attention of every pixel to every token: query [B, P, C], key [B, T, C], bias [B, P, T] -> [B, heads, P, T]."""
    query, key = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return (scores if bias is None else scores + bias[:, None]).float().softmax(-1)


def attend_to_tokens(query: Tensor, key: Tensor, heads: int, positions: Tensor) -> Tensor:
    """Attention of every pixel to some tokens: query [B, P, C], key [B, T, C], positions [B, N] -> [B, heads, P, N]."""
    index = positions[:, None, None].expand(-1, heads, query.shape[1], -1)
    return find_attention(query, key, heads).gather(3, index)


def attend_to_regions(
    query: Tensor, key: Tensor, heads: int, tokens: Sequence[Sequence[int]], bias: Tensor | None = None
) -> Tensor:
    """What each region's tokens get together, mean over the heads, in float32: query [P, C], key [T, C], bias [P, T],
    positions of N regions -> [N, P]."""
    own = torch.zeros(len(key), len(tokens), device=key.device)
    for number, positions in enumerate(tokens):
        own[list(positions), number] = 1
    with torch.autocast(query.device.type, enabled=False):
        bias = None if bias is None else bias.float()[None]
        attention = find_attention(query.float()[None], key.float()[None], heads, bias)
        return (attention[0].mean(0) @ own).T


def repeat_positions(positions: Sequence[int], length: int, whole: int) -> tuple[int, ...]:
    """Positions in a text of `length` tokens, where an engine has repeated it to `whole`; once if that does not fit."""
    starts = range(0, whole if whole % length == 0 else 1, length)
    return tuple(start + position for start in starts for position in positions)


def choose_sites(sites: tuple[Site, ...], blocks: int) -> list[Site]:
    """The sites of the given number of blocks around the middle block, which lies between down and up blocks."""
    names = list(dict.fromkeys(_name_block(site) for site in sites))
    order = sorted(names, key=lambda name: ("down_blocks", "mid_block", "up_blocks").index(name.split(".")[0]))
    start = max(len(order) - blocks, 0) // 2
    return [site for site in sites if _name_block(site) in order[start : start + blocks]]


def _name_block(site: Site) -> str:
    return site.diffusers.partition(".attentions")[0]
