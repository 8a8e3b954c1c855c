"""Cross-attention to facial tokens, written down while the UNet runs."""

from torch import Tensor

from ..adapter.sites import Site, list_sites
from ..headless.processors import Attention, CrossProcessor
from ..headless.unet import InstalledAdapter


class AttentionMaps:
    """Watches the cross-attention of the middle blocks of a UNet with an adapter in it.

    Query and key are computed a second time, in a hook on the processors; so fused attention stays in use, and
    gradient checkpointing repeats the same work.
    """

    def __init__(self, installed: InstalledAdapter, blocks: int = 0):
        self._positions: Tensor | None = None
        self._maps: dict[str, Tensor] | None = None
        for site in choose_sites(list_sites(installed.config), blocks or installed.config.middle_blocks):
            processor = installed.processors[site.cross_entry]
            processor.register_forward_hook(_make_hook(self, site.diffusers))

    def watch(self, positions: Tensor) -> None:
        """Write down the next forward pass. positions: [B, N] of the facial tokens in the text."""
        self._positions, self._maps = positions, {}

    def take(self) -> dict[str, Tensor]:
        """{layer: [B, heads, pixels, N]} of that pass; passes that gradient checkpointing repeats are not kept."""
        maps, self._maps = self._maps or {}, None
        return maps

    def rest(self) -> None:
        """Write nothing down until `watch`; to be called before passes with other rows."""
        self._positions = self._maps = None

    def record(self, layer: str, attn: Attention, processor: CrossProcessor, hidden: Tensor, text: Tensor) -> None:
        if self._positions is None:
            return
        query = processor.project(attn.to_q, "to_q", hidden)
        key = processor.project(attn.to_k, "to_k", text)
        maps = attend_to_tokens(query, key, attn.heads, self._positions)
        if self._maps is not None:
            self._maps[layer] = maps


def attend_to_tokens(query: Tensor, key: Tensor, heads: int, positions: Tensor) -> Tensor:
    """Attention of every pixel to some tokens: query [B, P, C], key [B, T, C], positions [B, N] -> [B, heads, P, N]."""
    query, key = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    index = positions[:, None, None].expand(-1, heads, query.shape[2], -1)
    return scores.float().softmax(-1).gather(3, index)


def choose_sites(sites: tuple[Site, ...], blocks: int) -> list[Site]:
    """The sites of the given number of blocks around the middle block, which lies between down and up blocks."""
    names = list(dict.fromkeys(_name_block(site) for site in sites))
    order = sorted(names, key=lambda name: ("down_blocks", "mid_block", "up_blocks").index(name.split(".")[0]))
    start = max(len(order) - blocks, 0) // 2
    return [site for site in sites if _name_block(site) in order[start : start + blocks]]


def _name_block(site: Site) -> str:
    return site.diffusers.partition(".attentions")[0]


def _make_hook(maps: AttentionMaps, layer: str):
    def hook(processor, inputs, output):
        attn, hidden, text = inputs[:3]
        maps.record(layer, attn, processor, hidden, text)

    return hook
