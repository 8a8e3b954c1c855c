"""Other ways of putting an identity into the same ComfyUI UNet, to compare with."""

import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from file_import import import_file
from torch import Tensor, nn


class SeparateLora(nn.Module):
    """A projection with its low-rank part as two matrix products of its own, as in the released code."""

    def __init__(self, projection: nn.Module, up: Tensor, down: Tensor):
        super().__init__()
        self.projection, self.up, self.down = projection, up, down

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(x) + nn.functional.linear(nn.functional.linear(x, self.down), self.up)


@contextmanager
def separate_loras(unet: nn.Module, hosted):
    """The UNet with every LoRA as separate products; left as found."""
    replaced = []
    for (site, attention, projection), lora in hosted.adapter.loras.items():
        parent = unet.get_submodule(f"{site.comfy}.{attention}")
        name = projection
        if projection == "to_out":
            parent, name = parent.to_out, "0"
        original = getattr(parent, name)
        weight = original.weight
        replaced.append((parent, name, original))
        setattr(parent, name, SeparateLora(original, lora.up.to(weight), lora.down.to(weight)))
    try:
        yield
    finally:
        for parent, name, original in replaced:
            setattr(parent, name, original)


def recomputed_attention(hosted, id_tokens, dtype: torch.dtype, device: torch.device) -> dict:
    """`patches_replace` of the released code's attention: ID keys and values computed in every call."""
    from comfy.ldm.modules.attention import optimized_attention

    tokens = torch.stack([id_tokens.nobody, id_tokens.person]).to(device, dtype)

    def make(layer):
        to_k, to_v = (getattr(layer, name).weight.to(device, dtype) for name in ("to_k_ip", "to_v_ip"))

        def attend(q, k, v, extra_options):
            key, value = nn.functional.linear(tokens, to_k), nn.functional.linear(tokens, to_v)
            heads = extra_options["n_heads"]
            return optimized_attention(q, k, v, heads) + optimized_attention(q, key, value, heads)

        return attend

    sites = list_keys(hosted)
    return {"attn2": {key: make(layer) for key, layer in zip(sites, hosted.adapter.id_layers, strict=True)}}


def unfused_self_attention(hosted) -> dict:
    """`patches_replace` of the released code's self-attention without xformers: scores, softmax, product."""

    def attend(q, k, v, extra_options):
        heads = extra_options["n_heads"]
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)

    return {"attn1": dict.fromkeys(list_keys(hosted), attend)}


def ipadapter_attention(folder: Path, hosted, id_tokens, dtype: torch.dtype, device: torch.device) -> dict:
    """`patches_replace` with IPAdapter_plus's own code (a checkout of that pack), on the same tokens and weights."""
    patch = _load_ipadapter(folder)
    layers = {}
    for number, layer in enumerate(hosted.adapter.id_layers):
        for name in ("to_k_ip", "to_v_ip"):
            weight = getattr(layer, name).weight.to(device, dtype)
            layers[f"{number}_{name}"] = lambda x, weight=weight: nn.functional.linear(x, weight)
    ipadapter = SimpleNamespace(ip_layers=SimpleNamespace(to_kvs=layers))
    ipadapter.get_multigpu_clone = lambda device: ipadapter
    cond, uncond = (tokens[None].to(device, dtype) for tokens in id_tokens)
    options = {"ipadapter": ipadapter, "cond": cond, "uncond": uncond, "sigma_start": 1e9, "sigma_end": 0.0}
    return {
        "attn2": {
            key: patch.Attn2Replace(patch.ipadapter_attention, module_key=str(number), **options)
            for number, key in enumerate(list_keys(hosted))
        }
    }


def list_keys(hosted) -> list[tuple]:
    """The host's patch key of every site, in checkpoint order."""
    sites = dict.fromkeys(site for site, _, _ in hosted.adapter.loras)
    is_sdxl = hosted.config.name == "sdxl"
    return [(*site.block, site.depth) if is_sdxl else site.block for site in sites]


def _load_ipadapter(folder: Path):
    package = ModuleType("ipadapter_plus")
    package.__path__ = [str(folder)]
    sys.modules["ipadapter_plus"] = package
    import_file("ipadapter_plus.utils", folder / "utils.py")
    return import_file("ipadapter_plus.CrossAttentionPatch", folder / "CrossAttentionPatch.py")
