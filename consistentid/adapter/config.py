"""What differs between the SD1.5 and the SDXL adapter, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdapterConfig:
    """One released adapter.

    name: "sd15" or "sdxl"; title: for people.
    text_encoders: ComfyUI's names of the text encoders and their widths, in the order of the text embedding.
    sites: number of transformer blocks in the UNet, each with one self- and one cross-attention.
    shortcut: whether the ID projection adds its input tokens to its output.
    separator: text between the prompt and the marked caption.
    fixed_sentence: the caption the released code uses instead of a captioner.
    parsing_px: side of the square the photo is resized to for face parsing.
    caption_before_merge: whether the text-only stage reads the caption too, or the bare prompt.
    delayed_negative: whether the negative prompt also waits for the merge point.
    """

    name: str
    title: str
    text_encoders: tuple[tuple[str, int], ...]
    sites: int
    shortcut: bool
    separator: str
    fixed_sentence: str
    parsing_px: int
    caption_before_merge: bool
    delayed_negative: bool

    @property
    def width(self) -> int:
        """Width D of the text embedding, and so of facial and ID tokens."""
        return sum(width for _, width in self.text_encoders)


SD15 = AdapterConfig(
    name="sd15",
    title="SD1.5",
    text_encoders=(("l", 768),),
    sites=16,
    shortcut=False,
    separator="Detail:",
    fixed_sentence="The person has one face, one nose, two eyes, two ears, and one mouth.",
    parsing_px=512,
    caption_before_merge=True,
    delayed_negative=False,
)

SDXL = AdapterConfig(
    name="sdxl",
    title="SDXL",
    text_encoders=(("l", 768), ("g", 1280)),
    sites=70,
    shortcut=True,
    separator="; Detail:",
    fixed_sentence="The person has one face, one nose, two eyes, two ears, and a mouth.",
    parsing_px=1280,
    caption_before_merge=False,
    delayed_negative=True,
)

CONFIGS = (SD15, SDXL)
FIXED_SENTENCES = tuple(config.fixed_sentence for config in CONFIGS)

ID_EMBEDDING_WIDTH = 512
ID_TOKENS = 4
CLIP_TOKENS = 257
CLIP_WIDTH = 1280
