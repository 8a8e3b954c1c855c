"""Seeded models of the zoo's shapes, in the files that `zoo/models` has. Their pictures are noise."""

from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import save_file

import headless_standins as standins
import standins_parser
from consistentid.adapter.config import ZOO
from consistentid.face import parsing
from consistentid.training.model import name_tensors
from consistentid.training.start import make_adapter
from standins_onnx import build_detector, build_recogniser

UNET = dict(
    block_out_channels=(64, 96, 96),
    layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=192,
    attention_head_dim=2,
    sample_size=16,
)


def write_zoo(folder: Path) -> Path:
    """All five models; about 20 MB."""
    write_base(folder / "base")
    write_image_encoder(folder / "image_encoder")
    (folder / "face").mkdir()
    for name, build in (("det_zoo.onnx", build_detector), ("zoo_r.onnx", build_recogniser)):
        (folder / "face" / name).write_bytes(build().SerializeToString())
    write_parser(folder / "face_parsing.safetensors")
    write_adapter(folder / "consistentid_zoo.safetensors", make_unet())
    return folder


def write_base(folder: Path) -> None:
    import diffusers

    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    standins.write_tokenizer(folder / "tokenizer")
    diffusers.StableDiffusionPipeline(
        unet=make_unet(),
        vae=standins.seed(diffusers.AutoencoderTiny()),
        text_encoder=standins.make_text_encoder(192),
        tokenizer=standins._read_tokenizer(folder / "tokenizer"),
        scheduler=diffusers.EulerDiscreteScheduler(**noise),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def make_unet():
    from diffusers import UNet2DConditionModel

    return standins.seed(UNet2DConditionModel(**UNET))


def write_image_encoder(folder: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=3,
        projection_dim=64,
        patch_size=28,
        hidden_act="gelu",
    )
    standins.seed(CLIPVisionModelWithProjection(config)).half().save_pretrained(folder)


def write_parser(path: Path) -> None:
    """It knows the astronaut's head; random weights, but for the last layer."""
    network = standins.seed(parsing.BiSeNet(12))
    with mock.patch.object(standins_parser, "VIEWS", [(standins_parser.HEAD, 256)]):
        standins_parser.fit_last_layer(network, parsing.IMAGENET_MEAN, parsing.IMAGENET_STD)
    save_file(network.half().state_dict(), path)


def write_adapter(path: Path, unet) -> None:
    """Of rank 4, with low-rank additions that are not zero."""
    tensors = name_tensors(make_adapter(unet, ZOO, rank=4, seed=0))
    generator = torch.Generator().manual_seed(0)
    for key, tensor in tensors.items():
        if key.endswith("_lora.up.weight"):
            tensors[key] = torch.randn(tensor.shape, generator=generator) / 4
    save_file({key: tensor.half().contiguous() for key, tensor in tensors.items()}, path)
