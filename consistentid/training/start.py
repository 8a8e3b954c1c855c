"""The adapter that training begins with: a file, or new weights."""

from dataclasses import replace

import torch
from torch import nn

from ..adapter.attention import PROJECTIONS, IDLayer, IDLayers, Lora
from ..adapter.checkpoint import Adapter, load_adapter
from ..adapter.config import AdapterConfig
from ..adapter.facial_encoder import FacialEncoder
from ..adapter.id_projection import IDProjection
from ..adapter.sites import Site, list_sites
from ..headless.unet import find_layer
from .config import TrainingConfig


def start_adapter(config: TrainingConfig, unet: nn.Module, base: AdapterConfig) -> Adapter:
    """The adapter file of the configuration, or a new adapter for the UNet, which is the same for the same seed; its
    regions are those of `base`."""
    if not config.adapter:
        return make_adapter(unet, base, config.rank, config.seed)
    adapter = load_adapter(config.adapter)
    return replace(adapter, config=replace(adapter.config, regions=base.regions))


def make_adapter(unet: nn.Module, base: AdapterConfig, rank: int, seed: int) -> Adapter:
    """A new adapter, as the authors start theirs.

    Low-rank additions begin as nothing; ID keys and values as the UNet's own keys and values of the text.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        facial_encoder = FacialEncoder(base.width, sizes=base.sizes)
        id_projection = IDProjection(base.width, sizes=base.sizes)
        latents = facial_encoder.visual_projection.latents
        nn.init.normal_(latents, std=latents.shape[-1] ** -0.5)
        loras, layers = {}, IDLayers()
        for site in list_sites(base):
            for attention in ("attn1", "attn2"):
                for projection in PROJECTIONS:
                    linear = find_layer(unet, site, attention, projection)
                    loras[site, attention, projection] = _make_lora(linear, rank)
            layers.append(_copy_keys(unet, site))
    for network in (facial_encoder, id_projection, layers):
        network.eval().requires_grad_(False)
    return Adapter(base, "new weights", facial_encoder, id_projection, layers, loras)


def _make_lora(linear: nn.Linear, rank: int) -> Lora:
    down = torch.randn(rank, linear.in_features) / rank
    return Lora(up=torch.zeros(linear.out_features, rank), down=down)


def _copy_keys(unet: nn.Module, site: Site) -> IDLayer:
    keys, values = (find_layer(unet, site, "attn2", projection) for projection in ("to_k", "to_v"))
    layer = IDLayer(keys.in_features, keys.out_features)
    layer.to_k_ip.weight.data.copy_(keys.weight)
    layer.to_v_ip.weight.data.copy_(values.weight)
    return layer
