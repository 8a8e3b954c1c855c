"""The zoo's small base model in ComfyUI: diffusers folders, of a size that ComfyUI does not know.

Newer hosts load a model once more, for torch.compile or for another GPU, by what its `cached_patcher_init` holds: a
function that gives out a ModelPatcher, and its arguments. Older ones have no use for it.
"""

import json
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import comfy.clip_vision
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.sd
import comfy.supported_models
import comfy.utils
import torch
import torch.nn.functional as F
from comfy.model_patcher import ModelPatcher
from comfy.sd1_clip import SD1ClipModel, SD1Tokenizer, SDClipModel, SDTokenizer
from torch import Tensor, nn

from ...consistentid.errors import CheckpointError
from ...consistentid.weights import read_weights
from .hosting import make_patcher

CLIP_WORDS = 49408
CLIP_OWN = ("text_projection.weight",)
"""Weights that ComfyUI's CLIP makes itself where a file has none."""
LATENT_SCALE = 0.18215
"""What ComfyUI multiplies SD1.x latents by between VAE and UNet."""
PREDICTIONS = {
    "epsilon": comfy.model_base.ModelType.EPS,
    "v_prediction": comfy.model_base.ModelType.V_PREDICTION,
}


def load_unet(base: Path, disable_dynamic: bool = False) -> ModelPatcher:
    """A MODEL from a diffusers folder: a UNet of SD1.x's kinds of blocks, whatever its widths, depths and channels.

    Its scheduler says what it predicts, on which noise. CheckpointError where ComfyUI has no such thing.
    """
    parts, config = _read(base / "unet")
    unet_config = convert_config(config)
    names = comfy.utils.unet_to_diffusers(unet_config)
    weights = {names.get(name, name): tensor for name, tensor in parts.items()}
    model_config = SmallModel(unet_config, base / "scheduler" / "scheduler_config.json")
    model_config.set_inference_dtype(torch.float32, None)
    model = model_config.get_model({}, device=comfy.model_management.unet_offload_device())
    _check_names(model.diffusion_model, weights, base / "unet")
    model.diffusion_model.load_state_dict(weights)
    patcher = make_patcher(model, disable_dynamic)
    patcher.cached_patcher_init = (load_unet, (base,))
    return patcher


class SmallLatents(comfy.latent_formats.LatentFormat):
    """Latents of any number of channels. No preview: what colours they stand for is not known here."""

    scale_factor = LATENT_SCALE

    def __init__(self, channels: int):
        self.latent_channels = channels


class SmallModel(comfy.supported_models.SD15):
    """What ComfyUI makes a UNet by. scheduler: diffusers' scheduler_config.json."""

    unet_extra_config: ClassVar[dict] = {}

    def __init__(self, unet_config: dict, scheduler: Path):
        super().__init__(unet_config)
        told = json.loads(scheduler.read_text(encoding="utf-8"))
        prediction, betas = told["prediction_type"], told["beta_schedule"]
        if prediction not in PREDICTIONS or betas != "scaled_linear":
            raise CheckpointError(
                f"{scheduler} names prediction_type {prediction} and beta_schedule {betas}. ComfyUI can draw with "
                f"{' or '.join(PREDICTIONS)} on scaled_linear betas."
            )
        self.prediction = PREDICTIONS[prediction]
        self.latent_format = SmallLatents(unet_config["in_channels"])
        self.sampling_settings = {
            "linear_start": told["beta_start"],
            "linear_end": told["beta_end"],
            "timesteps": told["num_train_timesteps"],
            "zsnr": told.get("rescale_betas_zero_snr", False),
        }

    def model_type(self, state_dict, prefix=""):
        return self.prediction

    def inpaint_model(self) -> bool:
        return False  # ComfyUI takes every UNet of more than four channels for one


def convert_config(config: dict) -> dict:
    """diffusers' config.json of a UNet -> the options of ComfyUI's UNetModel."""
    widths, layers = config["block_out_channels"], config["layers_per_block"]
    depths = [int(kind.startswith("CrossAttn")) for kind in config["down_block_types"]]
    return {
        "image_size": 32,
        "use_spatial_transformer": True,
        "legacy": False,
        "use_temporal_attention": False,
        "use_linear_in_transformer": config["use_linear_projection"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "model_channels": widths[0],
        "channel_mult": [Multiple(width) for width in widths],
        "num_res_blocks": [layers] * len(widths),
        "transformer_depth": [depth for depth in depths for _ in range(layers)],
        "transformer_depth_output": [depth for depth in depths for _ in range(layers + 1)],
        "transformer_depth_middle": 1,
        "num_heads": config["attention_head_dim"],
        "num_head_channels": -1,
        "context_dim": config["cross_attention_dim"],
        "adm_in_channels": None,
    }


class Multiple:
    """What ComfyUI multiplies a UNet's first width by; here the result need not be a whole multiple of it."""

    def __init__(self, width: int):
        self.width = width

    def __mul__(self, first: int) -> int:
        return self.width

    __rmul__ = __mul__


def load_clip(text_encoder: Path, tokenizer: Path, **options) -> comfy.sd.CLIP:
    """A CLIP from a CLIP text encoder and tokenizer of transformers, of any width and vocabulary.

    options: of the host's CLIP.
    """
    tensors, config = _read(text_encoder)
    special = {"start": config["bos_token_id"], "end": config["eos_token_id"], "pad": config["pad_token_id"]}

    class SmallTokenizer(SDTokenizer):
        def __init__(self, **options):
            super().__init__(str(tokenizer), embedding_size=config["hidden_size"], **options)
            self.tokenizer.model_max_length = sys.maxsize  # ComfyUI cuts texts into chunks; nothing is too long

    clip = comfy.sd.CLIP(
        SimpleNamespace(
            params={"clip_model": SDClipModel, "textmodel_json_config": config, "special_tokens": special},
            clip=SD1ClipModel,
            tokenizer=partial(SD1Tokenizer, tokenizer=SmallTokenizer),
        ),
        **options,
    )
    # transformers 5 leaves out the prefix, and ComfyUI has room for all words of CLIP's own vocabulary.
    named = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in tensors.items()}
    words = named["text_model.embeddings.token_embedding.weight"]
    named["text_model.embeddings.token_embedding.weight"] = F.pad(words, (0, 0, 0, CLIP_WORDS - len(words)))
    _check_names(clip.cond_stage_model.clip_l.transformer, named | dict.fromkeys(CLIP_OWN), text_encoder)
    clip.load_sd(named)
    clip.patcher.cached_patcher_init = (_load_clip_patcher, (text_encoder, tokenizer))
    return clip


def _load_clip_patcher(text_encoder: Path, tokenizer: Path, **options) -> ModelPatcher:
    return load_clip(text_encoder, tokenizer, **options).patcher


def load_vae(folder: Path) -> comfy.sd.VAE:
    """A VAE from diffusers' AutoencoderTiny, in TAESD's form, of any number of latent channels."""
    tensors, config = _read(folder)
    renamed = {_rename_vae(name): tensor for name, tensor in tensors.items()}
    scale = LATENT_SCALE / config["scaling_factor"]
    weights = {**renamed, "vae_scale": torch.tensor(scale), "vae_shift": torch.tensor(0.0)}
    vae = comfy.sd.VAE(weights)
    _check_names(vae.first_stage_model, weights, folder)
    vae.patcher.cached_patcher_init = (_load_vae_patcher, (folder,))
    return vae


def _load_vae_patcher(folder: Path, disable_dynamic: bool = False) -> ModelPatcher:
    return load_vae(folder).patcher  # as the host's own: a VAE takes no such option


def load_clip_vision(folder: Path) -> comfy.clip_vision.ClipVisionModel:
    """A CLIP_VISION from an image encoder of transformers, of any width."""
    tensors, _ = _read(folder)
    clip_vision = comfy.clip_vision.ClipVisionModel(folder / "config.json")
    _check_names(clip_vision.model, tensors, folder)
    clip_vision.load_sd(tensors)
    return clip_vision


def _read(folder: Path) -> tuple[dict[str, Tensor], dict]:
    """The one weight file of a model's folder, in float32, and its configuration. CheckpointError without it."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise CheckpointError(f"One .safetensors file is needed in {folder}; there are {len(files)}.")
    tensors = read_weights(files[0])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {name: tensor.float() for name, tensor in tensors.items()}, config


def _check_names(module: nn.Module, weights: dict, folder: Path) -> None:
    """CheckpointError unless the weights are those of the module; ComfyUI's own loaders go on without."""
    expected = module.state_dict().keys()
    problems = [f"{name} is missing" for name in expected - weights.keys()]
    problems += [f"{name} is not known" for name in weights.keys() - expected]
    if problems:
        raise CheckpointError(f"The weights in {folder} are of another model: {'; '.join(sorted(problems)[:5])}.")


def _rename_vae(name: str) -> str:
    """encoder.layers.3.* -> taesd_encoder.3.*; the decoder has one layer more in front, without weights."""
    layer = re.fullmatch(r"(encoder|decoder)\.layers\.(\d+)\.(.+)", name)
    return f"taesd_{layer[1]}.{int(layer[2]) + (layer[1] == 'decoder')}.{layer[3]}" if layer else name
