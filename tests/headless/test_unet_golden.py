"""The adapter in a diffusers UNet, against the authors' processors in the same UNet."""

import pytest
import torch
from golden_data import MODULE, UNET, difference, make_input, make_weight, read_case, read_json, read_tensors
from headless_models import make_golden_adapter, make_unet

from consistentid.adapter.attention import PROJECTIONS, IDLayer, Lora
from consistentid.headless.processors import CrossProcessor, SelfProcessor
from consistentid.headless.unet import install_adapter

UNETS = [(base, name) for base in ("sd15", "sdxl") for name in sorted(read_tensors(f"unet_tiny_{base}.safetensors"))]
WEIGHTS = {"ip_scale_0.5": (0.5, 1.0), "ip_scale_0": (0.0, 1.0), "lora_scale_0": (1.0, 0.0)}


@pytest.fixture(scope="module")
def unets():
    return {base: make_unet(base) for base in ("sd15", "sdxl")}


@pytest.fixture(scope="module")
def adapters():
    return {base: make_golden_adapter(base) for base in ("sd15", "sdxl")}


def run_unet(unet, base, latents, timestep, context, id_tokens=None):
    case = read_case(f"unet_tiny_{base}")
    conditions = None
    if base == "sdxl":
        pooled = make_input("unet_tiny_sdxl/text_embeds", (2, 1280))
        conditions = {"text_embeds": pooled, "time_ids": torch.tensor(case["time_ids"])}
    kwargs = None if id_tokens is None else {"id_tokens": id_tokens}
    return unet(latents, timestep, context, added_cond_kwargs=conditions, cross_attention_kwargs=kwargs).sample


@pytest.mark.parametrize(("base", "name"), UNETS)
def test_unet(unets, adapters, base, name):
    case_name = f"unet_tiny_{base}"
    inputs = read_case(case_name)["inputs"]
    parts = name.split(".")
    size = next(part for part in parts if part[0].isdigit() and "x" in part)
    latents = make_input(f"{case_name}/latents_{size}", inputs[f"{case_name}/latents_{size}"])
    context = make_input(f"{case_name}/context_81", inputs[f"{case_name}/context_81"])
    timestep, expected = int(parts[-1][1:]), read_tensors(f"{case_name}.safetensors")[name]
    if parts[0] == "plain":
        length = int(parts[1].removeprefix("context"))
        assert difference(run_unet(unets[base], base, latents, timestep, context[:, :length]), expected) <= UNET
        return
    context = context[:, :80] if "context80" in name else context
    weights = next((weights for part, weights in WEIGHTS.items() if part in name), (1.0, 1.0))
    installed = install_adapter(unets[base], adapters[base], *weights)
    try:
        out = run_unet(unets[base], base, latents, timestep, context[:, :-4], context[:, -4:])
    finally:
        installed.remove()
    assert difference(out, expected) <= UNET


BLOCKS = [name for name in read_tensors("attention_block.safetensors") if not name.endswith(("4d", "rescale2"))]


def read_block(group: str) -> dict[str, torch.Tensor]:
    return {key: make_weight(key, shape) for key, shape in read_json("weight_keys.json")["attention_block"][group]}


@pytest.mark.parametrize("name", BLOCKS)
def test_attention_block(name):
    """The processors alone; 4-D input and residual connections do not occur in a UNet's transformer blocks."""
    from diffusers.models.attention_processor import Attention

    block = read_case("attention_block")
    case, shapes = block["subcases"][name], block["inputs"]
    attn = Attention(**case["attention"])
    attn.load_state_dict(read_block("attention_self" if name.startswith("self") else "attention_cross"))
    weights, options = read_block(case["processor"]), case["processor_args"]
    loras = {p: Lora(*(weights[f"{p}_lora.{side}.weight"] for side in ("up", "down"))) for p in PROJECTIONS}
    hidden = make_input(case["hidden_states"], shapes[case["hidden_states"]])
    lora_weight = options.get("lora_scale", 1.0)
    if name.startswith("self"):
        attn.set_processor(SelfProcessor(loras, lora_weight))
        out = attn(hidden)
    else:
        layer = IDLayer(96, 64)
        layer.load_state_dict({f"{key}.weight": weights[f"{key}.weight"] for key in ("to_k_ip", "to_v_ip")})
        attn.set_processor(CrossProcessor(loras, layer, options.get("scale", 1.0), lora_weight=lora_weight))
        context = make_input(case["context"], shapes[case["context"]])
        out = attn(hidden, context[:, :-4], id_tokens=context[:, -4:])
    assert difference(out, read_tensors("attention_block.safetensors")[name]) <= MODULE
