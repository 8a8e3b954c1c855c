"""Every choice of a headless run: one table for the command line, its defaults, and the PNG that repeats the run."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from PIL import Image

from ..adapter.config import CONFIGS, SDXL, AdapterConfig
from ..checked import TABLE, TableError, check_table, describe_choice, parse_json
from ..choices import ALIGNMENTS, FACE_ORDERS, FRAMINGS, PAIRS
from ..errors import ConsistentIDError
from ..face.region_words import EXTRA_LABELS, read_region_words
from .option_texts import STRENGTH, parse_lora, parse_person
from .schedulers import SCHEDULERS

PNG_KEY = "consistentid"
FORMAT = 1
BASES = tuple(config.name for config in CONFIGS)
FILES = (
    *("checkpoint", "base_config", "adapter", "clip_vision", "face_parser", "face_package", "face2diffusion"),
    *("controlnet", "control_image", "image", "mask"),
)
"""Settings that name a file or folder, but for people and LoRAs."""
SEEDS = 2**63
IDENTITY = ".safetensors"


def option(default: Any, text: str, form: str = "FILE", **allowed) -> Any:
    """A field with its help text. form: of what is named several times. allowed: choices, and limits as
    `describe_choice` takes them."""
    return field(default=default, metadata={"help": text, "form": form, **describe_choice(default, **allowed)})


@dataclass(frozen=True)
class PortraitSettings:
    """What to draw, of whom, with which files. Paths are kept as they were given.

    None stands for a value that depends on the base model, or is chosen by chance; `settle` fills it in.
    """

    __pydantic_config__ = TABLE

    face: str = option("", "photo of the person")
    identity: str = option("", "a saved identity (.safetensors), in place of a photo")
    person: tuple[str, ...] = option(
        (),
        "one of several people, a photo or a saved identity, and where: FILE=left, =right, =0.1-0.4 (of the width) or "
        "=MASK.png; repeat it. In the prompt <A> stands before what is said of the first, <B> of the second",
    )
    prompt: str = option("", "what to draw")
    negative: str = option("", "what to avoid")
    caption: str = option("", "facial description (default: the identity's own, else the fixed sentence)")
    change: tuple[str, ...] = option(
        (), "attribute, and what it shall be: hair=blond hair; may be repeated", form="NAME=WORDS"
    )
    change_strength: float = option(1.0, "how far the person gives way to --change, 0..1", ge=0, le=1)
    word: str = option("", "word of the prompt that is the person too, through Face2Diffusion: 'f l' as published")
    consistentid: bool = option(True, "without ConsistentID --word alone is the person; it needs no adapter then")
    alignment: str = option("auto", "which region meets which word", choices=ALIGNMENTS)
    select: str = option("largest", "which face of the photo, by what order", choices=FACE_ORDERS)
    index: int = option(0, "which face of that order, counted from 0")
    framing: str = option("auto", "what CLIP sees of the photo", choices=FRAMINGS)
    pairs: str = option("first", "of eyes, ears and lips the first found, as published, or both", choices=PAIRS)
    brows: bool = option(False, "eyebrows as a region of their own")
    hair: bool = option(False, "hair as a region of its own")
    left_out: str = option("", "regions that are not encoded, such as 'ears, hair'")
    id_embedding: bool = option(True, "InsightFace's embedding; without it the regions alone describe the face")
    base: str = option("sd15", "base model whose files are looked for", choices=BASES)
    models_folder: str = option("", "folder like ComfyUI/models, for files that are not named")
    checkpoint: str = option("", "base model: a single file or a diffusers folder")
    base_config: str = option("", "diffusers folder with configuration and tokenizers for a single file, offline")
    adapter: str = option("", "ConsistentID adapter file")
    clip_vision: str = option("", "CLIP ViT-H/14: a file, or a folder of transformers")
    face_parser: str = option("", "BiSeNet file")
    face_package: str = option("", "InsightFace package folder")
    face2diffusion: str = option("", "folder with Face2Diffusion's msid.pt and mapping.pt, for --word")
    lora: tuple[str, ...] = option((), "LoRA file, with its weight as FILE=0.8; may be repeated")
    controlnet: str = option("", "ControlNet folder of diffusers")
    control_image: str = option("", "picture that the ControlNet reads")
    control_scale: float = option(1.0, "strength of the ControlNet", **STRENGTH)
    image: str = option("", "picture to paint in, with --mask")
    mask: str = option("", "where to paint: white is painted anew")
    strength: float = option(1.0, "how much of the noise schedule is used for inpainting, 0..1", gt=0, le=1)
    scheduler: str = option("euler", "sampler and its noise schedule", choices=tuple(SCHEDULERS))
    steps: int = option(50, "sampling steps", le=10_000)
    guidance: float | None = option(None, "guidance scale (default: 5 for SD1.5, 7.5 for SDXL)", ge=-100, le=100)
    width: int | None = option(None, "width in pixels (default: 512 for SD1.5, 864 for SDXL)", le=16_384)
    height: int | None = option(None, "height in pixels (default: 768 for SD1.5, 1152 for SDXL)", le=16_384)
    merge_at: float = option(0.6, "part of the steps after which facial tokens act: 0 all steps, 1 never", ge=0, le=1)
    weight: float = option(1.0, "how strongly the ID tokens act", **STRENGTH)
    lora_weight: float = option(1.0, "strength of the adapter's low-rank weights", **STRENGTH)
    seed: int | None = option(None, "seed of the first picture (default: by chance)")
    batch: int = option(1, "number of pictures, each with the next seed", le=4096)
    device: str = option("auto", "auto, cpu, cuda, mps")
    dtype: str = option("auto", "precision", choices=("auto", "float32", "float16", "bfloat16"))
    offload: bool = option(False, "keep only the running part on the GPU, and decode in tiles: less memory, slower")

    def settle(self, config: AdapterConfig, **chosen) -> "PortraitSettings":
        """With every None filled in for a base model; `chosen` replaces other values."""
        usual = {"guidance": config.guidance, "width": config.size_px[0], "height": config.size_px[1]}
        usual = {key: value for key, value in usual.items() if getattr(self, key) is None}
        return replace(self, base=config.name, **usual, **chosen)

    def check(self) -> None:
        """ConsistentIDError for choices that cannot be, or cannot go together; looks at no file."""
        try:
            check_table(PortraitSettings, asdict(self))
        except TableError as error:
            wrong = error.problem
            name = wrong.place.replace("_", "-")
            raise ConsistentIDError(f"--{name} is {wrong.found}; {wrong.wanted} is needed.") from error
        read_region_words(self.left_out)
        for text in self.person:
            parse_person(text)
        problem = next((text for is_wrong, text in self._list_problems() if is_wrong), None)
        if problem:
            raise ConsistentIDError(problem)
        if self.change:
            from ..attributes import parse_change

            for text in self.change:
                parse_change(text)
        if self.word:
            from ..face2diffusion.word import normalise_word, require_word

            require_word(self.prompt, normalise_word(self.word))

    @property
    def extra_regions(self) -> list[str]:
        """Keys of the regions beyond the published ones."""
        return [key for key, is_wanted in zip(EXTRA_LABELS, (self.brows, self.hair), strict=True) if is_wanted]

    def _list_problems(self):
        yield (
            sum(map(bool, (self.face, self.identity, self.person))) != 1,
            "Name one of --face PHOTO and --identity FILE, or each of several people with --person FILE=PLACE.",
        )
        yield (
            bool(self.identity) and (self.brows or self.hair or bool(self.left_out) or self.pairs != "first"),
            "--brows, --hair, --left-out and --pairs are of a photo; a saved identity has its regions already.",
        )
        yield bool(self.word) and not self.face, "--word reads the photo; name it with --face."
        yield not self.consistentid and not self.word, "--no-consistentid leaves the person to --word; name it too."
        yield (
            bool(self.word) and not self.id_embedding,
            "--word needs the landmarks that InsightFace finds; leave out --no-id-embedding.",
        )
        yield (
            bool(self.word) and self.alignment == "published",
            "--word is not read with --alignment published, which cuts prompts; choose auto or matched.",
        )
        yield bool(self.word) and self.base == SDXL.name, "--word is for SD1.4 and SD1.5; leave it out for others."
        yield bool(self.change) and not self.consistentid, "--change is of ConsistentID; leave out --no-consistentid."
        yield bool(self.change) and bool(self.person), "--change is for one person; name --face or --identity."
        yield bool(self.face2diffusion) and not self.word, "--face2diffusion does nothing without --word."
        yield bool(self.image) != bool(self.mask), "--image and --mask belong together; name both or none."
        yield (
            bool(self.controlnet) != bool(self.control_image),
            "--controlnet and --control-image belong together; name both or none.",
        )
        yield min(self.steps, self.batch) < 1, f"--steps {self.steps} and --batch {self.batch} must be at least 1."
        yield (
            bool(self.image) and int(self.steps * self.strength) < 1,
            f"--steps {self.steps} with --strength {self.strength:g} leaves no step to run. Raise one of them.",
        )
        yield (
            self.seed is not None and not 0 <= self.seed <= SEEDS - self.batch,
            f"--seed {self.seed} with --batch {self.batch}: seeds are from 0 to {SEEDS - 1}.",
        )
        sizes = [size for size in (self.width, self.height) if size is not None]
        yield any(size < 64 or size % 8 for size in sizes), f"Width and height are multiples of 8 from 64; got {sizes}."

    @property
    def photos(self) -> list[str]:
        """Those that people are read from."""
        files = [self.face, *(parse_person(text)[0] for text in self.person)]
        return [file for file in files if file and not file.endswith(IDENTITY)]

    def list_files(self) -> list[str]:
        """The files that this run reads, as they were named."""
        return [
            *(path for text in self.person for path in parse_person(text) if isinstance(path, str)),
            *(self.face, self.identity, self.image, self.mask, self.control_image, self.checkpoint, self.adapter),
            *(self.clip_vision, self.face_parser, *(parse_lora(text)[0] for text in self.lora)),
        ]

    def to_json(self, **more) -> str:
        return json.dumps({"format": FORMAT, "settings": asdict(self), **more}, ensure_ascii=False)


def read_settings(path: str | Path) -> PortraitSettings:
    """The settings that a PNG of this program was made with; what an earlier version did not know is at its default."""
    try:
        with Image.open(path) as image:
            record = parse_json(image.info[PNG_KEY])
        version, names = record["format"], record["settings"].keys()
    except (OSError, KeyError, ValueError, TypeError, AttributeError, Image.DecompressionBombError) as error:
        raise ConsistentIDError(
            f"{path} cannot be repeated: it is missing, or holds no settings of this program."
        ) from error
    if version != FORMAT or not names <= {item.name for item in fields(PortraitSettings)}:
        raise ConsistentIDError(f"{path} was made by another version of this program, which had other settings.")
    try:
        return check_table(PortraitSettings, record["settings"])
    except TableError as error:
        wrong = error.problem
        raise ConsistentIDError(
            f"{path} holds settings that are not valid: {wrong.place} is {wrong.found}; {wrong.wanted} is needed."
        ) from error
