"""Cross-attention to facial tokens, written down while the UNet runs.

Query and key are computed a second time, in a hook on the processors; so fused attention stays in use, and gradient
checkpointing repeats the same work.
"""

from collections.abc import Callable

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from ..adapter.attention_maps import (
    AttentionRecord,
    FacialTokens,
    RegionMaps,
    attend_to_regions,
    attend_to_tokens,
    choose_sites,
)
from ..adapter.sites import list_sites
from .masks import find_grid
from .pipeline import Sampling
from .unet import InstalledAdapter

Receiver = Callable[[str, Tensor, Tensor, int, Tensor | None], None]
"""Takes the layer's name, query [B, P, C], key [B, T, C], the number of heads and what is added to scores [B, P, T]."""


class AttentionMaps:
    """What the cross-attention of the middle blocks gives to some tokens in one pass."""

    def __init__(self, installed: InstalledAdapter, blocks: int = 0):
        self._positions: Tensor | None = None
        self._maps: dict[str, Tensor] | None = None
        watch_layers(installed, self._record, lambda: self._positions is not None, blocks)

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

    def _record(self, layer: str, query: Tensor, key: Tensor, heads: int, bias: Tensor | None) -> None:
        assert self._positions is not None
        maps = attend_to_tokens(query, key, heads, self._positions)
        if self._maps is not None:
            self._maps[layer] = maps


class RecordedRun:
    """Writes down a whole run of `sample`: give it as its `callback_on_step_end`.

    tokens: of the text that is read after the merge point. latent_px: side of a latent pixel in the picture.
    """

    def __init__(self, installed: InstalledAdapter, tokens: FacialTokens, sampling: Sampling, latent_px: int):
        self.record = AttentionRecord()
        self._tokens, self._latent = tokens, (sampling.height // latent_px, sampling.width // latent_px)
        self._pictures, self._last_text_step, self._step = len(sampling.seeds), sampling.merge_step, 0
        self._handles = watch_layers(installed, self._add, lambda: self._step > self._last_text_step)

    def __call__(self, pipeline, step: int, timestep, tensors) -> dict:
        self._step, self.record.count = step + 1, pipeline.num_timesteps
        return {}

    def read(self) -> list[RegionMaps]:
        """The maps of each picture; nothing is written down any more."""
        for handle in self._handles:
            handle.remove()
        return [self.record.read(picture) for picture in range(self._pictures)]

    def _add(self, layer: str, query: Tensor, key: Tensor, heads: int, bias: Tensor | None) -> None:
        grid, first = find_grid(self._latent, query.shape[1]), len(query) - self._pictures  # negatives come first
        for picture in range(self._pictures):
            row = first + picture
            added = None if bias is None else bias[row]
            maps = attend_to_regions(query[row], key[row], heads, list(self._tokens.values()), added)
            self.record.add(picture, self._step + 1, list(self._tokens), maps, grid)


def watch_layers(
    installed: InstalledAdapter, receive: Receiver, is_wanted: Callable[[], bool], blocks: int = 0
) -> list[RemovableHandle]:
    """Call `receive` in each cross-attention of the middle blocks while `is_wanted`. blocks: see choose_sites; 0 for
    those that the localisation loss sees."""

    def make_hook(layer: str):
        def hook(processor, inputs, output):
            if is_wanted():
                attn, hidden, text, _, _, masks = inputs
                query, key = processor.project(attn.to_q, "to_q", hidden), processor.project(attn.to_k, "to_k", text)
                bias = None if masks is None else masks.make_bias(query, key.shape[1])
                receive(layer, query, key, attn.heads, bias)

        return hook

    sites = choose_sites(list_sites(installed.config), blocks or installed.config.middle_blocks)
    hooks = [(installed.processors[site.cross_entry], make_hook(site.diffusers)) for site in sites]
    return [processor.register_forward_hook(hook) for processor, hook in hooks]
