"""The table of attention sites against the layout of the authors' checkpoints and against ComfyUI's block names."""

import pytest
from golden_data import read_json

from consistentid.adapter.config import RELEASED, SD15, SDXL
from consistentid.adapter.sites import list_sites

LAYOUT = read_json("checkpoint_layout.json")
both = pytest.mark.parametrize("config", RELEASED, ids=lambda config: config.name)

# ComfyUI: blocks with attention in execution order, and the transformer blocks in each.
COMFY_BLOCKS = {
    "sd15": {("input", n): 1 for n in (1, 2, 4, 5, 7, 8)}
    | {("middle", 0): 1}
    | {("output", n): 1 for n in range(3, 12)},
    "sdxl": {("input", 4): 2, ("input", 5): 2, ("input", 7): 10, ("input", 8): 10, ("middle", 0): 10}
    | {("output", n): 10 for n in (0, 1, 2)}
    | {("output", n): 2 for n in (3, 4, 5)},
}
# Which diffusers module a ComfyUI block is.
DIFFUSERS_PARENTS = {
    "sd15": {"input": {1: 0, 2: 0, 4: 1, 5: 1, 7: 2, 8: 2}, "output": {n: n // 3 for n in range(3, 12)}},
    "sdxl": {"input": {4: 1, 5: 1, 7: 2, 8: 2}, "output": {n: n // 3 for n in range(6)}},
}
# Channels of the attention layers by resolution.
CHANNELS = {"sd15": (320, 640, 1280, 1280), "sdxl": (320, 640, 1280)}


@both
def test_diffusers_names(config):
    names = [
        f"{site.diffusers}.{attention}.processor" for site in list_sites(config) for attention in ("attn1", "attn2")
    ]
    assert names == LAYOUT[config.name]["attn_processor_names_in_order"]


@both
def test_entries(config):
    sites = list_sites(config)
    indices = LAYOUT[config.name]["adapter_indices"]
    assert [site.position for site in sites] == list(range(config.sites))
    assert [site.self_entry for site in sites] == indices["attn1 (Consistent_AttProcessor)"]
    assert [site.cross_entry for site in sites] == indices["attn2 (Consistent_IPAttProcessor)"]


@both
def test_comfyui_blocks(config):
    counts: dict = {}
    for site in list_sites(config):
        assert site.depth == counts.get(site.block, 0), "transformer blocks in order"
        counts[site.block] = counts.get(site.block, 0) + 1
    assert counts == COMFY_BLOCKS[config.name]


@both
def test_comfyui_module_names(config):
    folders = {"input": "input_blocks.{}.1", "middle": "middle_block.1", "output": "output_blocks.{}.1"}
    for site in list_sites(config):
        kind, number = site.block
        assert site.comfy == f"{folders[kind].format(number)}.transformer_blocks.{site.depth}"
    assert len({site.comfy for site in list_sites(config)}) == config.sites


@both
def test_comfyui_blocks_are_the_diffusers_blocks(config):
    folders = {"input": "down_blocks", "output": "up_blocks"}
    for site in list_sites(config):
        kind, number = site.block
        if kind == "middle":
            parent = "mid_block.attentions.0"
        else:
            # Attentions of one diffusers block are consecutive: inputs come in pairs after a downsampler.
            position = number % 3 - 1 if kind == "input" else number % 3
            parent = f"{folders[kind]}.{DIFFUSERS_PARENTS[config.name][kind][number]}.attentions.{position}"
        assert site.diffusers == f"{parent}.transformer_blocks.{site.depth}"


def expected_channels(config, block) -> int:
    channels, (kind, number) = CHANNELS[config.name], block
    if kind == "middle":
        return channels[-1]
    level = number // 3 if kind == "input" else len(channels) - 1 - number // 3
    return channels[level]


@both
def test_widths_of_the_checkpoint_entries(config):
    shapes = LAYOUT[config.name]["parts"]["adapter_modules"]["keys"]
    for site in list_sites(config):
        hidden = expected_channels(config, site.block)
        assert shapes[f"{site.cross_entry}.to_k_ip.weight"] == [hidden, config.width]
        assert shapes[f"{site.self_entry}.to_k_lora.down.weight"] == [128, hidden]
        assert shapes[f"{site.cross_entry}.to_k_lora.down.weight"] == [128, config.width]
        for entry in (site.self_entry, site.cross_entry):
            assert shapes[f"{entry}.to_q_lora.up.weight"] == [hidden, 128]
            assert shapes[f"{entry}.to_out_lora.down.weight"] == [128, hidden]
    entries = {int(key.split(".")[0]) for key in shapes}
    assert entries == set(range(2 * config.sites))


def test_each_config_has_its_own_sites():
    assert list_sites(SD15) is list_sites(SD15), "made once"
    assert {site.diffusers for site in list_sites(SD15)} != {site.diffusers for site in list_sites(SDXL)}
