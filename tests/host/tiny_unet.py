"""The golden tiny UNets inside ComfyUI's own UNet class, and their adapters."""

import dataclasses

import comfy.model_patcher
import comfy.utils
import full_size
import torch
from golden_data import make_weights


def make_model(name: str = "sd15") -> comfy.model_patcher.ModelPatcher:
    """A MODEL with the golden weights of unet_tiny_<name>, float32 on the CPU."""
    heads = {"num_head_channels": 16} if name == "sdxl" else {}
    layout = full_size.make_layout(name, torch.float32, model_channels=32, **heads)
    model = full_size.make_config(layout).get_model({}, device="cpu")
    weights = make_weights(f"unet_tiny_{name}.unet")
    names = comfy.utils.unet_to_diffusers(layout)
    state = {names[key.removeprefix("unet.")]: tensor for key, tensor in weights.items()}
    model.diffusion_model.load_state_dict(state, strict=True)
    return comfy.model_patcher.ModelPatcher(model.eval(), torch.device("cpu"), torch.device("cpu"))


def make_adapter(pack, id_tokens: torch.Tensor, name: str = "sd15"):
    """A HostedAdapter with the golden adapter weights, and an identity whose ID tokens [2, 4, D] are given."""
    checkpoint = pack.consistentid.adapter.checkpoint
    hosting = pack.nodes.model.hosting
    configs = pack.consistentid.adapter.config
    config = {"sd15": configs.SD15, "sdxl": configs.SDXL}[name]
    weights = make_weights(f"unet_tiny_{name}.adapter")
    modules = {key.removeprefix("adapter_modules."): tensor for key, tensor in weights.items()}
    entries = checkpoint._group_entries(modules, config, "golden")
    layers = checkpoint._build_id_layers(entries, config, "golden", hosting.OPERATIONS)
    adapter = checkpoint.Adapter(config, "golden", None, None, layers, checkpoint._collect_loras(entries, config))
    hosted = hosting.HostedAdapter(adapter, None, hosting.make_patcher(layers))
    zeros = torch.zeros(257, 1280)
    identity = pack.consistentid.identity.Identity(zeros, zeros, {})
    hosted._id_tokens[identity] = pack.consistentid.adapter.tokens.Pair(*id_tokens)
    return hosted, identity


def make_sdxl_adapter(pack):
    """The golden SDXL adapter with its networks, as in denoise_tiny_sdxl; about 1.4 GB."""
    hosted, _ = make_adapter(pack, torch.zeros(2, 4, 2048), "sdxl")
    adapter = hosted.adapter
    networks = {
        "facial_encoder": (pack.consistentid.adapter.facial_encoder.FacialEncoder, "FacialEncoder."),
        "id_projection": (pack.consistentid.adapter.id_projection.IDProjection, "image_proj_model."),
    }
    built = {}
    for field, (kind, prefix) in networks.items():
        with torch.device("meta"):
            built[field] = kind(2048, pack.nodes.model.hosting.OPERATIONS)
        name = {"facial_encoder": "facial_encoder_2048", "id_projection": "image_proj_2048"}[field]
        built[field].load_state_dict(make_weights(name, prefix), assign=True)
        built[field].eval().requires_grad_(False)
    return pack.nodes.model.hosting.HostedAdapter.wrap(dataclasses.replace(adapter, **built))
