"""What differs between the adapters, in one place."""

from dataclasses import dataclass, replace

from ..face.region_words import PUBLISHED_REGIONS, RegionWord

ID_EMBEDDING_WIDTH = 512
ID_TOKENS = 4


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of the adapter's networks, and of the image encoder they read.

    image_tokens, image_width: shape of the encoder's hidden states; image_heads, patch_px: of the encoder itself.
    latent_width, latent_depth, latent_heads: of the FacialEncoder's resampler, which has heads of 64.
    id_hidden: hidden width of the ID projection; id_depth: of its resampler.
    """

    image_tokens: int
    image_width: int
    image_heads: int
    patch_px: int
    latent_width: int
    latent_depth: int
    latent_heads: int
    id_hidden: int
    id_depth: int

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.image_tokens, self.image_width


@dataclass(frozen=True)
class AdapterConfig:
    """One adapter.

    name: "sd15", "sdxl" or "zoo"; title: for people.
    text_encoders: ComfyUI's names of the text encoders and their widths, in the order of the text embedding.
    sites: number of transformer blocks in the UNet, each with one self- and one cross-attention.
    sizes: of the networks. image_encoder, recogniser: files whose features and ID embeddings the adapter reads.
    pipeline: what the names of diffusers' pipelines for the base model begin with.
    projection_part: what the published file calls the ID projection.
    shortcut: whether the ID projection adds its input tokens to its output.
    separator: text between the prompt and the marked caption.
    fixed_sentence: the caption the released code uses instead of a captioner.
    parsing_px: side of the square the photo is resized to for face parsing.
    caption_before_merge: whether the text-only stage reads the caption too, or the bare prompt.
    facial_negative: whether the negative prompt has facial tokens too, those of zero pixels, before and after the merge
    point; this project trains the unconditional branch without.
    size_px: usual width and height of a picture; guidance: usual guidance scale.
    middle_blocks: how many blocks of the UNet, from the middle, the localisation loss sees.
    regions: words of the regions it was trained with, in their order.
    """

    name: str
    title: str
    text_encoders: tuple[tuple[str, int], ...]
    sites: int
    sizes: NetworkSizes
    image_encoder: str
    recogniser: str
    pipeline: str
    projection_part: str
    shortcut: bool
    separator: str
    fixed_sentence: str
    parsing_px: int
    caption_before_merge: bool
    facial_negative: tuple[bool, bool]
    size_px: tuple[int, int]
    guidance: float
    middle_blocks: int
    regions: tuple[RegionWord, ...] = PUBLISHED_REGIONS

    @property
    def width(self) -> int:
        """Width D of the text embedding, and so of facial and ID tokens."""
        return sum(width for _, width in self.text_encoders)

    def has_facial_negative(self, published: bool) -> tuple[bool, bool]:
        """Before and after the merge point. The released SDXL code has them in both, by writing in place."""
        before, after = self.facial_negative
        return before or (after and published), after

    @property
    def is_pooled(self) -> bool:
        """Whether the UNet reads the pooled text too, as with SDXL's second text encoder."""
        return len(self.text_encoders) > 1


RELEASED_SIZES = NetworkSizes(
    image_tokens=257,
    image_width=1280,
    image_heads=16,
    patch_px=14,
    latent_width=1024,
    latent_depth=8,
    latent_heads=16,
    id_hidden=1024,
    id_depth=4,
)

SD15 = AdapterConfig(
    name="sd15",
    title="SD1.5",
    text_encoders=(("l", 768),),
    sites=16,
    sizes=RELEASED_SIZES,
    image_encoder="CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors",
    recogniser="w600k_r50.onnx",
    pipeline="StableDiffusion",
    projection_part="image_proj",
    shortcut=False,
    separator="Detail:",
    fixed_sentence="The person has one face, one nose, two eyes, two ears, and one mouth.",
    parsing_px=512,
    caption_before_merge=True,
    facial_negative=(True, True),
    size_px=(512, 768),
    guidance=5.0,
    middle_blocks=5,
)

SDXL = AdapterConfig(
    name="sdxl",
    title="SDXL",
    text_encoders=(("l", 768), ("g", 1280)),
    sites=70,
    sizes=RELEASED_SIZES,
    image_encoder=SD15.image_encoder,
    recogniser=SD15.recogniser,
    pipeline="StableDiffusionXL",
    projection_part="image_proj_model",
    shortcut=True,
    separator="; Detail:",
    fixed_sentence="The person has one face, one nose, two eyes, two ears, and a mouth.",
    parsing_px=1280,
    caption_before_merge=False,
    facial_negative=(False, True),
    size_px=(864, 1152),
    guidance=7.5,
    middle_blocks=3,
)

# Small models that this project trains on its own drawn faces; all else is as for SD1.5.
ZOO = replace(
    SD15,
    name="zoo",
    title="the small models",
    text_encoders=(("l", 192),),
    sites=7,
    sizes=NetworkSizes(
        image_tokens=65,
        image_width=192,
        image_heads=3,
        patch_px=28,
        latent_width=192,
        latent_depth=1,
        latent_heads=3,
        id_hidden=256,
        id_depth=1,
    ),
    image_encoder="zoo/models/image_encoder",
    recogniser="zoo_r.onnx",
    separator=" Detail: ",  # its words are whole: "beachDetail" is none of them
    parsing_px=256,
    size_px=(128, 128),
    facial_negative=(False, False),
)

RELEASED = (SD15, SDXL)
CONFIGS = (*RELEASED, ZOO)
BASE_SENTENCES = tuple(dict.fromkeys(config.fixed_sentence for config in CONFIGS))
INPAINTING_SENTENCE = "The person has one nose, two eyes, two ears, and a mouth."
"""That of the released inpainting pipelines, for SD1.5: without a word for the face, and so without its token."""
FIXED_SENTENCES = (*BASE_SENTENCES, INPAINTING_SENTENCE)


def find_config(name: str) -> AdapterConfig:
    """The one of CONFIGS with that name; StopIteration without."""
    return next(config for config in CONFIGS if config.name == name)
