"""What the workflows name beside the stand-ins: pictures, and small models in the real formats."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import torch
from golden_data.face2diffusion import write_package
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from consistentid.identity import Identity
from consistentid.identity.file import save_identity

CORE_TESTS = Path(__file__).resolve().parents[1] / "core"
PHOTOS = {"photo": "portrait", "photo_2": "tilted", "photo_3": "nobody", "picture": "portrait", "pose": "nobody"}
PHOTOS |= {"couple": "twice"}
"""Name in the workflows -> photo of the core tests' set."""

LORAS = ("style.safetensors", "lcm-lora-sdv1-5.safetensors")
CONTROLS = {"sd15": ("control_v11p_sd15_openpose_fp16.safetensors", "control_v11p_sd15_canny_fp16.safetensors")}
CONTROLS |= {"sdxl": ("controlnet-canny-sdxl-1.0.safetensors",)}
COPIED = ("time_embed", "label_emb", "input_blocks", "middle_block")
HINT_CHANNELS = (3, 16, 16, 32, 32, 96, 96, 256)


def write_pictures(folder: Path) -> None:
    """Every picture that a workflow loads; masked.png is 128x192 with a transparent square."""
    make_photo = _load(CORE_TESTS / "photo_set.py").make_photo
    folder.mkdir(parents=True, exist_ok=True)
    for name, photo in PHOTOS.items():
        Image.fromarray(make_photo(photo)).save(folder / f"{name}.png")
    masked = np.full((192, 128, 4), 255, np.uint8)
    masked[..., :3] = make_photo("portrait")[:192, 160:288]
    masked[64:128, 32:96, 3] = 0
    Image.fromarray(masked).save(folder / "masked.png")


SHALLOW_VISION = """
import json
from pathlib import Path
import comfy.clip_vision

make = comfy.clip_vision.ClipVisionModel.__init__
whole = str(Path(comfy.clip_vision.__file__).with_name("clip_vision_config_h.json").resolve())
shallow = str(Path(__file__).with_name("shallow.json"))
Path(shallow).write_text(json.dumps(json.loads(Path(whole).read_text()) | {"num_hidden_layers": 3}))
comfy.clip_vision.ClipVisionModel.__init__ = lambda self, file: make(self, shallow if file == whole else file)
NODE_CLASS_MAPPINGS = {}
"""


def write_shallow_vision(folder: Path) -> str:
    """A pack that makes ComfyUI build ViT-H of three layers; its name. The 32 are most of a run's time on a CPU."""
    pack = folder / "custom_nodes" / "shallow_vision"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(SHALLOW_VISION)
    return pack.name


def write_models(folder: Path, checkpoints: dict[str, Path], write_safetensors) -> None:
    """Identity, captioner, DINO, LoRAs and ControlNets for stand-ins, {base: file}, under the workflows' names."""
    identities = folder / "consistentid" / "identities"
    identities.mkdir(parents=True)
    save_identity(_make_identity(), identities / "person.safetensors")
    captioner = _load(CORE_TESTS / "conftest.py")
    captioner.make_model().save_pretrained(folder / "LLM" / "llava-1.5-7b-hf")
    captioner.make_processor(captioner.TEMPLATE).save_pretrained(folder / "LLM" / "llava-1.5-7b-hf")
    write_package(folder / "consistentid" / "face2diffusion")
    _load(CORE_TESTS.parent / "evaluation" / "tiny_encoders.py").make_dino(folder / "consistentid" / "dinov2-base")
    (folder / "loras").mkdir()
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q"
    pair = {f"{layer}.lora_up.weight": torch.randn(320, 4), f"{layer}.lora_down.weight": torch.randn(4, 320)}
    for name in LORAS:
        save_file(pair, folder / "loras" / name)
    for base, checkpoint in checkpoints.items():
        first, *others = (folder / "controlnet" / name for name in CONTROLS[base])
        write_safetensors(first, _list_control_shapes(checkpoint))
        for other in others:
            os.link(first, other)


def _make_identity() -> Identity:
    generator = torch.Generator().manual_seed(0)
    keys = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
    photo, zero, *regions = torch.randn(2 + len(keys), 257, 1280, generator=generator)
    embedding = torch.nn.functional.normalize(torch.randn(512, generator=generator), dim=0)
    return Identity(photo, zero, dict(zip(keys, regions, strict=True)), id_embedding=embedding)


def _list_control_shapes(checkpoint: Path) -> dict[str, tuple]:
    """A ControlNet is a copy of the UNet's first half, a small network for the hint, and a way out of each block."""
    prefix = "model.diffusion_model."
    with safe_open(checkpoint, "pt") as file:
        unet = {key.removeprefix(prefix): tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    shapes = {key: shape for key, shape in unet.items() if key.startswith(COPIED)}
    width = shapes["input_blocks.0.0.weight"][0]
    blocks = {int(key.split(".")[1]) for key in shapes if key.startswith("input_blocks")}
    outs = {f"zero_convs.{block}.0": (width, width, 1, 1) for block in blocks}
    sides = zip(HINT_CHANNELS, (*HINT_CHANNELS[1:], width), strict=True)
    hints = {f"input_hint_block.{2 * number}": (high, low, 3, 3) for number, (low, high) in enumerate(sides)}
    for name, shape in {**outs, **hints, "middle_block_out.0": (width, width, 1, 1)}.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(f"{path.stem}_for_workflows", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
