"""The golden tiny UNets in diffusers, adapters with the golden weights, and the command that runs them."""

import argparse

import torch
from golden_data import make_weights, read_case

import consistentid.adapter.checkpoint as checkpoint
from consistentid.adapter.config import SD15, SDXL
from consistentid.adapter.facial_encoder import FacialEncoder
from consistentid.adapter.id_projection import IDProjection
from consistentid.headless.command import add_command

CONFIGS = {"sd15": SD15, "sdxl": SDXL}


def make_unet(base: str):
    """unet_tiny_<base> with its golden weights."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**read_case(f"unet_tiny_{base}")["unet_config"])
    weights = make_weights(f"unet_tiny_{base}.unet")
    unet.load_state_dict({key.removeprefix("unet."): value for key, value in weights.items()}, assign=True)
    return unet.eval().requires_grad_(False)


def make_golden_adapter(base: str, networks: bool = False):
    """The golden attention weights; `networks` adds the golden FacialEncoder and ID projection (large for SDXL)."""
    config, weights = CONFIGS[base], make_weights(f"unet_tiny_{base}.adapter")
    modules = {key.removeprefix("adapter_modules."): value for key, value in weights.items()}
    entries = checkpoint._group_entries(modules, config, "golden")
    layers = checkpoint._build_id_layers(entries, config, "golden", torch.nn)
    built = [None, None]
    if networks:
        prefix = {"sd15": ("", ""), "sdxl": ("FacialEncoder.", "image_proj_model.")}[base]
        built = [
            _build(FacialEncoder, config.width, f"facial_encoder_{config.width}", prefix[0]),
            _build(IDProjection, config.width, f"image_proj_{config.width}", prefix[1]),
        ]
    return checkpoint.Adapter(config, "golden", *built, layers, checkpoint._collect_loras(entries, config))


def _build(kind, width: int, name: str, prefix: str):
    with torch.device("meta"):
        network = kind(width)
    network.load_state_dict(make_weights(name, prefix), assign=True)
    return network.eval().requires_grad_(False)


def run_command(*words) -> int:
    """`portrait` with these words, in this process."""
    parser = argparse.ArgumentParser()
    add_command(parser.add_subparsers())
    arguments = parser.parse_args(["portrait", *map(str, words)])
    return arguments.run(arguments)
