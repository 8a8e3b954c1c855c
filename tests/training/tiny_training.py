"""A base model, an image encoder and a training set small enough to train on in seconds, and the run of one process.

The networks are the project's own at a text width of 64. As a program: `tiny_training.py CONFIG` trains.
"""

import contextlib
import sys
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 64
SIDE = 128


class TinyVision(torch.nn.Module):
    """Stands in for CLIP: hidden states [N, 17, 1280] that are one linear map of each patch."""

    dtype = property(lambda self: self.patches.weight.dtype)

    def __init__(self):
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 1280, 56, 56)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 97

    def forward(self, pixel_values, output_hidden_states):
        patches = self.patches(pixel_values).flatten(2).transpose(1, 2)
        states = torch.cat((patches.mean(1, keepdim=True), patches), dim=1)

        class Output:
            hidden_states = (states * 0, states, states * 0)

        return Output


@contextlib.contextmanager
def tiny_networks(base: str = "sd15"):
    """Inside, adapters have networks of width 64 (SDXL: 32 + 32), and any image encoder is TinyVision."""
    import consistentid.adapter.config as configs

    usual = {"sd15": configs.SD15, "sdxl": configs.SDXL}[base]
    share = WIDTH // len(usual.text_encoders)
    encoders = tuple((name, share) for name, _ in usual.text_encoders)
    sizes = replace(usual.sizes, image_tokens=17, latent_width=WIDTH)
    config = replace(usual, text_encoders=encoders, sizes=sizes)
    places = ("adapter.checkpoint", "headless.unet", "adapter.config")
    with contextlib.ExitStack() as patches:
        for place in places:
            patches.enter_context(mock.patch(f"consistentid.{place}.CONFIGS", (config,)))
        patches.enter_context(mock.patch("consistentid.training.assembly.load_clip_vision", lambda *_: TinyVision()))
        yield config


def write_base(folder: Path, base: str = "sd15") -> Path:
    """A diffusers folder of a tiny base model."""
    import diffusers

    import headless_standins as standins

    blocks = {**standins.BLOCKS[base], "cross_attention_dim": WIDTH}
    suffixes = ("", "_2") if base == "sdxl" else ("",)
    share = WIDTH // len(suffixes)
    if base == "sdxl":
        blocks["projection_class_embeddings_input_dim"] = 6 * 256 + share
    unet = diffusers.UNet2DConditionModel(**blocks, attention_head_dim=8, sample_size=SIDE // 8)
    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    parts = {"scheduler": diffusers.EulerDiscreteScheduler(**noise), "unet": standins.seed(unet)}
    parts["vae"] = standins.seed(make_vae())
    for suffix in suffixes:
        standins.write_tokenizer(folder / f"tokenizer{suffix}", pad="!" if suffix else standins.END)
        parts[f"tokenizer{suffix}"] = standins._read_tokenizer(folder / f"tokenizer{suffix}")
        parts[f"text_encoder{suffix}"] = make_text_encoder(share, projected=bool(suffix))
    if base == "sdxl":
        diffusers.StableDiffusionXLPipeline(**parts).save_pretrained(folder)
    else:
        safety = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        diffusers.StableDiffusionPipeline(**parts, **safety).save_pretrained(folder)
    return folder


def make_vae():
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return AutoencoderKL(**blocks, block_out_channels=(8,) * 4, norm_num_groups=4, layers_per_block=1)


def make_text_encoder(width: int, projected: bool):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    import headless_standins as standins

    vocabulary, _ = standins.make_vocabulary()
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=width,
        bos_token_id=vocabulary[standins.BEGIN],
        eos_token_id=vocabulary[standins.END],
        pad_token_id=vocabulary[standins.END],
    )
    return standins.seed((CLIPTextModelWithProjection if projected else CLIPTextModel)(config))


PARTS = (  # label, ellipse on a picture of 128 px
    (16, (20, 100, 108, 180)),
    (1, (32, 16, 96, 112)),
    (7, (26, 52, 36, 76)),
    (4, (42, 44, 58, 54)),
    (5, (70, 44, 86, 54)),
    (10, (58, 54, 70, 78)),
    (12, (50, 86, 78, 96)),
)


def write_dataset(folder: Path, people: int = 3) -> Path:
    """Drawn faces with all five regions, each in colours of its own."""
    from consistentid.dataset.records import write_record

    for number in range(people):
        rng = np.random.default_rng(number)
        picture, labels = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(0, 256, 3))), Image.new("L", (SIDE, SIDE))
        for label, box in PARTS:
            ImageDraw.Draw(picture).ellipse(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
            ImageDraw.Draw(labels).ellipse(box, fill=label)
        embedding = rng.standard_normal(512)
        captions = {
            "caption": "a photo of a man",
            "facial_caption": "one face, two ears, two eyes, a nose and a mouth.",
        }
        name = f"person{number}"
        embedding /= np.linalg.norm(embedding)
        write_record(folder, name, np.asarray(picture), np.asarray(labels), embedding, **captions)
    return folder


def load_consistentid() -> None:
    """The package by path, as tests/conftest.py does."""
    import importlib.util

    folder = ROOT / "consistentid"
    spec = importlib.util.spec_from_file_location(
        "consistentid", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["consistentid"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def write_config(path: Path, config) -> Path:
    import yaml

    path.write_text(yaml.safe_dump({k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}))
    return path


if __name__ == "__main__":
    torch.set_num_threads(1)
    load_consistentid()
    from consistentid.training import assembly
    from consistentid.training.config import read_config
    from consistentid.training.loop import train

    def tell_shared(unet, share_unet=assembly.share_unet):
        share_unet(unet)
        frozen = [parameter for parameter in unet.parameters() if not parameter.requires_grad]
        kept = sum(parameter.to_local().numel() for parameter in frozen)
        print(f"frozen weights kept: {kept / sum(parameter.numel() for parameter in frozen):.2f}")

    assembly.share_unet = tell_shared
    config = read_config(sys.argv[1])
    with tiny_networks(config.base):
        train(config)
