"""Tiny seeded models in the formats of diffusers and transformers, for a run without ComfyUI and without real models.

The UNet has SD1.5's (or SDXL's) blocks at width 32, so every attention site of the adapter is there. The tokenizer's
vocabulary is our own: all bytes, and the words of WORDS. Runs inside the project's environment.
"""

import hashlib
import json
import shutil
from pathlib import Path

from standins import CACHE, FOLDER, write_adapter_sd15, write_adapter_sdxl, write_face_analysis, write_face_parser
from standins_files import fill, waiting

HOME = CACHE.with_name("headless_standins")
WIDTH = 32
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
# With these captions are a few tokens long, and other words are spelt.
WORDS = (
    *("the", "person", "has", "one", "face", "nose", "two", "eyes", "ears", "and", "mouth", "a", "an", "in", "of"),
    *("with", "on", "at", "by", "to", "photo", "portrait", "man", "woman", "detail", "caption", "looking", "high"),
    *("quality", "low", "blurry"),
)
SITES = {"sd15": 16, "sdxl": 70}
BLOCKS = {
    "sd15": dict(
        block_out_channels=(WIDTH,) * 4,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=768,
    ),
    "sdxl": dict(
        block_out_channels=(WIDTH,) * 3,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
        cross_attention_dim=2048,
        transformer_layers_per_block=[1, 2, 10],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    ),
}


def prepare(names, base="sd15"):
    """{name: path} of the stand-ins named ("checkpoint", "adapter", "clip_vision", "face_parser", "face_package")."""
    writers = {
        "checkpoint": (f"{base}_pipeline", lambda path: write_pipeline(path, base)),
        "adapter": (f"{base}_adapter.bin", lambda path: write_adapter(path, base)),
        "clip_vision": ("clip_vision", write_clip_vision),
        "face_parser": ("face_parsing.pth", write_face_parser),
        "face_package": ("buffalo_l", write_face_analysis),
    }
    with waiting(HOME):
        folder = _open_folder()
        paths = {name: folder / writers[name][0] for name in names}
        for name, path in paths.items():
            if not path.exists():
                print(f"  making {path}", flush=True)
                part = path.with_name(f"{path.name}.part")
                shutil.rmtree(part, ignore_errors=True)  # what an interrupted run left: a folder or a file
                part.unlink(missing_ok=True)
                writers[name][1](part)
                part.rename(path)
    return paths


def write_pipeline(folder, base="sd15"):
    """A diffusers folder of the base model: tiny UNet, VAE and text encoders, about 30 MB (SDXL 300 MB)."""
    import diffusers

    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    parts = {"scheduler": diffusers.EulerDiscreteScheduler(**noise), "unet": make_unet(base), "vae": make_vae()}
    for suffix, width in (("", 768), ("_2", 1280))[: 2 if base == "sdxl" else 1]:
        write_tokenizer(Path(folder) / f"tokenizer{suffix}", pad="!" if suffix else END)
        parts[f"tokenizer{suffix}"] = _read_tokenizer(Path(folder) / f"tokenizer{suffix}")
        parts[f"text_encoder{suffix}"] = make_text_encoder(width, projected=bool(suffix))
    if base == "sdxl":
        diffusers.StableDiffusionXLPipeline(**parts).save_pretrained(folder)
    else:
        safety = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        diffusers.StableDiffusionPipeline(**parts, **safety).save_pretrained(folder)


def make_unet(base="sd15"):
    from diffusers import UNet2DConditionModel

    return seed(UNet2DConditionModel(**BLOCKS[base], attention_head_dim=8, sample_size=32))


def make_vae():
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return seed(AutoencoderKL(**blocks, block_out_channels=(WIDTH,) * 4, latent_channels=4, sample_size=256))


def make_text_encoder(width=768, projected=False):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    vocabulary, _ = make_vocabulary()
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=2,
        num_attention_heads=width // 64,
        projection_dim=width,
        bos_token_id=vocabulary[BEGIN],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[END],
    )
    return seed((CLIPTextModelWithProjection if projected else CLIPTextModel)(config))


def write_clip_vision(folder, layers=2):
    """CLIP ViT-H/14 in width and patches, with few layers; about 65 MB."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=1280,
        num_hidden_layers=layers,
        num_attention_heads=16,
        projection_dim=1024,
        patch_size=14,
        hidden_act="gelu",
    )
    seed(CLIPVisionModelWithProjection(config)).half().save_pretrained(folder)


def write_adapter(path, base="sd15"):
    """The published container for the tiny UNet."""
    writer = {"sd15": write_adapter_sd15, "sdxl": write_adapter_sdxl}[base]
    writer(path, widths=(WIDTH,) * SITES[base], rank=16)


def write_tokenizer(folder, pad=END):
    """CLIP's tokenizer files with our vocabulary."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    vocabulary, merges = make_vocabulary()
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    special = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def make_vocabulary():
    """{token: id} and the list of merges: every byte, alone and at a word's end, and what WORDS are built from."""
    letters = _list_letters()
    vocabulary = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters)])
    merges = {}
    for word in WORDS:
        built = word[0]
        for number, letter in enumerate(word[1:], 2):
            letter += "</w>" if number == len(word) else ""
            merges[f"{built} {letter}"] = None
            built += letter
            vocabulary[built] = None
    return {token: number for number, token in enumerate([*vocabulary, BEGIN, END])}, list(merges)


def seed(module):
    """Weights by the names of the parameters; the same on every machine that shares a torch version."""
    module.load_state_dict(
        {
            key: fill(key, value.shape, value.dtype) if value.is_floating_point() else value
            for key, value in module.state_dict().items()
        }
    )
    return module.eval()


def _list_letters():
    """CLIP's printable letter for each of the 256 bytes: itself where it is printable, else one beyond Latin."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def _read_tokenizer(folder):
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _open_folder():
    """The folder of these sources; making it removes the folders of other sources."""
    digest = hashlib.sha256()
    for source in sorted([Path(__file__), *FOLDER.glob("standins*.py")]):
        digest.update(source.read_bytes())
    folder = HOME / digest.hexdigest()[:12]
    if not folder.exists():
        shutil.rmtree(HOME, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder
