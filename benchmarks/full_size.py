"""ComfyUI models and adapters at full size with seeded weights, without any file; smaller ones to try things out."""

import copy
import inspect
import json
import tempfile
from pathlib import Path

import comfy.clip_vision
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import torch

UNETS = {
    "sd15": {
        "channel_mult": [1, 2, 4, 4],
        "num_res_blocks": [2, 2, 2, 2],
        "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        "transformer_depth_middle": 1,
        "context_dim": 768,
        "num_heads": 8,
        "num_head_channels": -1,
        "use_linear_in_transformer": False,
        "adm_in_channels": None,
    },
    "sdxl": {
        "channel_mult": [1, 2, 4],
        "num_res_blocks": [2, 2, 2],
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
        "transformer_depth_middle": 10,
        "context_dim": 2048,
        "num_heads": -1,
        "num_head_channels": 64,
        "use_linear_in_transformer": True,
        "num_classes": "sequential",
        "adm_in_channels": 2816,
    },
}
WIDTHS = {
    "sd15": [320] * 2 + [640] * 2 + [1280] * 2 + [1280] * 3 + [640] * 3 + [320] * 3 + [1280],
    "sdxl": [640] * 4 + [1280] * 20 + [1280] * 30 + [640] * 6 + [1280] * 10,
}
CHANNELS, SMALL_CHANNELS = 320, 32
"""Of a UNet's first block: as released, and of a small one that is made and run in seconds."""


def make_layout(base: str, dtype: torch.dtype, **changes) -> dict:
    """ComfyUI's description of a base model's UNet; `changes` make it smaller."""
    layout = {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 320,
        "use_spatial_transformer": True,
        "legacy": False,
        "dtype": dtype,
    }
    return {**layout, **copy.deepcopy(UNETS[base]), **changes}


def make_config(layout: dict):
    """The host's model configuration for a layout."""
    is_sdxl = layout["adm_in_channels"] is not None
    config = (comfy.supported_models.SDXL if is_sdxl else comfy.supported_models.SD15)(layout)
    config.unet_config = layout
    config.set_inference_dtype(layout["dtype"], None)
    return config


def make_model(base: str, dtype: torch.dtype, channels: int = CHANNELS) -> comfy.model_patcher.ModelPatcher:
    """A MODEL of the released size, on the host's own devices."""
    device = comfy.model_management.get_torch_device()
    heads = {"num_head_channels": 16} if base == "sdxl" and channels != CHANNELS else {}
    layout = make_layout(base, dtype, model_channels=channels, **heads)
    model = make_config(layout).get_model({}, device=device)
    fill(model.diffusion_model)
    offload = comfy.model_management.unet_offload_device()
    return comfy.model_patcher.ModelPatcher(model.eval(), load_device=device, offload_device=offload)


def make_parts(core, base: str, dtype: torch.dtype, channels: int = CHANNELS) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of an adapter for a UNet of that size; for a small one, zeros in what is not in the UNet."""
    config = {"sd15": core.adapter.config.SD15, "sdxl": core.adapter.config.SDXL}[base]
    with torch.device("meta"):
        networks = {
            "FacialEncoder": core.adapter.facial_encoder.FacialEncoder(config.width),
            "image_proj": core.adapter.id_projection.IDProjection(config.width),
        }
    if channels != CHANNELS:
        zero = torch.zeros((), dtype=dtype)
        parts = {
            name: {key: zero.expand(one.shape) for key, one in networks[name].state_dict().items()} for name in networks
        }
    else:
        made = {name: network.to_empty(device="cpu").to(dtype) for name, network in networks.items()}
        for network in made.values():
            fill(network)
        parts = {name: dict(network.state_dict()) for name, network in made.items()}
    modules = {
        key: torch.randn(shape, dtype=torch.float32).mul_(shape[-1] ** -0.5).to(dtype)
        for key, shape in list_module_shapes(base, config.width, channels=channels).items()
    }
    return {**parts, "adapter_modules": modules}


def list_widths(base: str, channels: int = CHANNELS) -> list[int]:
    """Of every site, in checkpoint order."""
    return [width * channels // CHANNELS for width in WIDTHS[base]]


def list_module_shapes(
    base: str, context: int, rank: int = 128, channels: int = CHANNELS
) -> dict[str, tuple[int, int]]:
    """Keys and shapes of `adapter_modules`."""
    shapes = {}
    for number, width in enumerate(width for width in list_widths(base, channels) for _ in range(2)):
        source = context if number % 2 else width
        for projection in ("to_q", "to_k", "to_v", "to_out"):
            inner = source if projection in ("to_k", "to_v") else width
            shapes[f"{number}.{projection}_lora.down.weight"] = (rank, inner)
            shapes[f"{number}.{projection}_lora.up.weight"] = (width, rank)
        if number % 2:
            shapes |= {f"{number}.{name}.weight": (width, context) for name in ("to_k_ip", "to_v_ip")}
    return shapes


def make_identity(core):
    """A person with seeded features."""
    generator = torch.Generator().manual_seed(0)
    keys = ("photo", "zero", "Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
    features = {key: torch.randn(257, 1280, generator=generator) for key in keys}
    embedding = torch.nn.functional.normalize(torch.randn(512, generator=generator), dim=0)
    return core.identity.Identity(features.pop("photo"), features.pop("zero"), features, embedding)


def make_clip(base: str, zeros: bool = False):
    """ComfyUI's CLIP of a base model at full size. zeros: made faster."""
    import comfy.sd

    target = make_config(make_layout(base, torch.float32)).clip_target({})
    clip = comfy.sd.CLIP(target, embedding_directory=None)
    fill(clip.cond_stage_model, zeros)
    return clip


def make_clip_vision(layers: int = 32, zeros: bool = False):
    """ComfyUI's CLIP_VISION with ViT-H/14 at full size; fewer `layers` make a smaller one. zeros: made faster."""
    config = json.loads(Path(inspect.getfile(comfy.clip_vision)).with_name("clip_vision_config_h.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(config | {"num_hidden_layers": layers}))
        model = comfy.clip_vision.ClipVisionModel(str(file))
    fill(model.model, zeros)
    return model


def make_vae(small: bool = False):
    """ComfyUI's VAE with the autoencoder that SD1.5 and SDXL share. small: another, made and run faster."""
    import comfy.sd
    from comfy.ldm.models.autoencoder import AutoencoderKL

    sizes = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3}
    sizes |= {"ch": 32 if small else 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": []}
    config = {"ddconfig": {**sizes, "dropout": 0.0}, "embed_dim": 4}
    with torch.device("meta"):
        network = AutoencoderKL(**config)
    network = network.to_empty(device="cpu")
    fill(network)
    return comfy.sd.VAE(sd=network.state_dict(), config={"params": config} if small else None)


@torch.no_grad()
def fill(module: torch.nn.Module, zeros: bool = False) -> None:
    """Seeded weights of a size that keeps activations finite; or zeros, which are there sooner."""
    torch.manual_seed(0)
    for name, tensor in module.named_parameters():
        if zeros:
            tensor.zero_()
        elif tensor.ndim >= 2:
            tensor.copy_(torch.randn(tensor.shape, device=tensor.device) * tensor[0].numel() ** -0.5)
        else:
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)
