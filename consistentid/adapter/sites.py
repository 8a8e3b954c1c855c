"""The attention sites of each UNet: checkpoint index, diffusers name and ComfyUI block in one table.

The checkpoint numbers attention layers in the order of diffusers' `unet.attn_processors`:
down blocks, up blocks, then the middle block; site p holds self-attention 2p and cross-attention 2p + 1.
"""

from functools import cache
from typing import NamedTuple

from .config import AdapterConfig

_COMFY_MODULES = {"input": "input_blocks.{}.1", "output": "output_blocks.{}.1", "middle": "middle_block.1"}

# (diffusers transformer, ComfyUI block kind, ComfyUI block number, transformer blocks inside)
_LAYOUTS = {
    "sd15": (
        [(f"down_blocks.{i // 2}.attentions.{i % 2}", "input", n, 1) for i, n in enumerate((1, 2, 4, 5, 7, 8))]
        + [(f"up_blocks.{1 + i // 3}.attentions.{i % 3}", "output", 3 + i, 1) for i in range(9)]
        + [("mid_block.attentions.0", "middle", 0, 1)]
    ),
    "sdxl": (
        [("down_blocks.1.attentions.0", "input", 4, 2), ("down_blocks.1.attentions.1", "input", 5, 2)]
        + [("down_blocks.2.attentions.0", "input", 7, 10), ("down_blocks.2.attentions.1", "input", 8, 10)]
        + [(f"up_blocks.0.attentions.{i}", "output", i, 10) for i in range(3)]
        + [(f"up_blocks.1.attentions.{i}", "output", 3 + i, 2) for i in range(3)]
        + [("mid_block.attentions.0", "middle", 0, 10)]
    ),
    "zoo": (
        [(f"down_blocks.{i}.attentions.0", "input", 1 + 2 * i, 1) for i in range(2)]
        + [(f"up_blocks.{1 + i // 2}.attentions.{i % 2}", "output", 2 + i, 1) for i in range(4)]
        + [("mid_block.attentions.0", "middle", 0, 1)]
    ),
}

# By the resolution of a block; what is not named here is of the coarsest.
_GROUPS = {
    "sd15": {
        "down_blocks.0": "detail",
        "up_blocks.3": "detail",
        "down_blocks.1": "structure",
        "up_blocks.2": "structure",
    },
    "sdxl": {
        "down_blocks.1": "detail",
        "up_blocks.1": "detail",
        "down_blocks.2": "structure",
        "up_blocks.0": "structure",
    },
    "zoo": {
        "down_blocks.0": "detail",
        "up_blocks.2": "detail",
        "down_blocks.1": "structure",
        "up_blocks.1": "structure",
    },
}


class Site(NamedTuple):
    """One transformer block of the UNet, which has one self- and one cross-attention.

    position: p in the checkpoint order.
    diffusers: module path in a diffusers UNet, e.g. "down_blocks.0.attentions.0.transformer_blocks.0".
    comfy: module path in ComfyUI's UNet, e.g. "input_blocks.1.1.transformer_blocks.0".
    block: ComfyUI's (kind, number), e.g. ("input", 1); depth: index of the transformer block inside it.
    is_alone: whether its ComfyUI block has no other site.
    group: "composition", "structure" or "detail", from the coarsest to the finest resolution that has attention.
    """

    position: int
    diffusers: str
    comfy: str
    block: tuple[str, int]
    depth: int
    is_alone: bool
    group: str

    @property
    def self_entry(self) -> int:
        """Number of the self-attention in the checkpoint's `adapter_modules`."""
        return 2 * self.position

    @property
    def cross_entry(self) -> int:
        """Number of the cross-attention in the checkpoint's `adapter_modules`."""
        return 2 * self.position + 1


@cache
def list_sites(config: AdapterConfig) -> tuple[Site, ...]:
    """All sites of the UNet, in checkpoint order.

    >>> from consistentid.adapter.config import SD15
    >>> list_sites(SD15)[15].diffusers
    'mid_block.attentions.0.transformer_blocks.0'
    """
    places = [
        (transformer, kind, number, depth, depths == 1)
        for transformer, kind, number, depths in _LAYOUTS[config.name]
        for depth in range(depths)
    ]
    return tuple(
        Site(
            position=position,
            diffusers=f"{transformer}.transformer_blocks.{depth}",
            comfy=f"{_COMFY_MODULES[kind].format(number)}.transformer_blocks.{depth}",
            block=(kind, number),
            depth=depth,
            is_alone=is_alone,
            group=_GROUPS[config.name].get(transformer.partition(".attentions")[0], "composition"),
        )
        for position, (transformer, kind, number, depth, is_alone) in enumerate(places)
    )
