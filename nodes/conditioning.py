"""Facial tokens in the text embedding: CONDITIONING that switches at the merge point."""

from weakref import WeakKeyDictionary

import node_helpers
import torch
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.config import FIXED_SENTENCES, AdapterConfig
from ..consistentid.caption.align import FacialPrompt, compose_prompt
from ..consistentid.errors import CaptionError
from ..consistentid.face.regions import REGION_WORDS
from ..consistentid.identity import Identity
from . import sockets
from .hosting import HostedAdapter
from .patching import make_stage
from .text import check_encoders, count_tokens, cut_markers, place_markers, tokenize_text

_negatives: WeakKeyDictionary = WeakKeyDictionary()


class InjectTokens(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_InjectTokens",
            display_name="Inject Facial Tokens",
            category=sockets.CATEGORY,
            description=(
                "Encodes prompt and negative prompt, and puts the person's facial tokens where the description names "
                "face, ears, eyes, nose and mouth. Up to the merge point the sampler sees the text alone."
            ),
            inputs=[
                io.Clip.Input("clip"),
                sockets.Adapter.Input("adapter"),
                sockets.Identity.Input("identity"),
                io.String.Input("prompt", multiline=True, dynamic_prompts=True, default=""),
                io.String.Input("negative", multiline=True, dynamic_prompts=True, default=""),
                io.String.Input(
                    "caption",
                    optional=True,
                    force_input=True,
                    tooltip="Facial description. Left open or empty: the identity's own, else the fixed sentence",
                ),
                io.Float.Input(
                    "merge_at",
                    default=0.6,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Part of the steps after which facial tokens act: 0 all steps, 0.6 as published, 1 never",
                ),
                io.Combo.Input(
                    "alignment",
                    options=["auto", "published", "matched"],
                    default="auto",
                    tooltip=(
                        "Which region meets which word. auto: as trained for the fixed sentence, each region its own "
                        "word otherwise; published: exactly the released code, prompts cut at 77 tokens"
                    ),
                ),
            ],
            outputs=[
                io.Conditioning.Output("positive_conditioning", display_name="positive"),
                io.Conditioning.Output("negative_conditioning", display_name="negative"),
                io.String.Output("marked_prompt", display_name="marked_prompt"),
                io.String.Output("report", display_name="report"),
            ],
        )

    @classmethod
    def execute(cls, clip, adapter, identity, prompt, negative, merge_at, alignment, caption="") -> io.NodeOutput:
        check_encoders(clip, adapter.config, adapter.adapter.source)
        composed = compose(clip, adapter.config, identity, prompt, caption, alignment)
        conditioning = inject_tokens(clip, adapter, identity, composed, negative, merge_at, alignment)
        return io.NodeOutput(*conditioning, composed.marked, describe_placement(composed))


def compose(clip, config: AdapterConfig, identity: Identity, prompt: str, caption: str, alignment: str) -> FacialPrompt:
    """The prompt with its facial description; a caption that names no region at all is an error."""
    caption = caption.strip() or identity.caption
    if not caption or caption in FIXED_SENTENCES:
        caption = config.fixed_sentence
    if prompt.split()[-1:] and "embedding:" in prompt.split()[-1]:
        prompt += " "  # or the separator would become part of the embedding's name
    composed = compose_prompt(
        prompt,
        caption,
        identity.regions,
        config,
        lambda text: count_tokens(clip, text, literal=alignment == "published"),
        alignment,
    )
    if alignment != "published" and identity.regions and not composed.regions:
        words = ", ".join(REGION_WORDS[key] for key in identity.regions)
        raise CaptionError(
            f"The facial description names none of the regions found in the photo ({words}), so no facial token can be "
            "placed. Mention face, ears, eyes, nose or mouth in it, or leave it empty for the fixed sentence. "
            f"It reads: '{caption[:200]}'"
        )
    return composed


def describe_placement(composed: FacialPrompt) -> str:
    placed, unplaced = (", ".join(REGION_WORDS[key] for key in keys) for keys in (composed.regions, composed.unplaced))
    report = f"{len(composed.regions)} facial tokens: {placed or 'none'}."
    return report + (f" No word for: {unplaced}." if unplaced else "")


def inject_tokens(
    clip,
    hosted: HostedAdapter,
    identity: Identity,
    composed: FacialPrompt,
    negative: str,
    merge_at: float,
    alignment: str = "auto",
) -> tuple[list, list]:
    """Positive and negative CONDITIONING of a composed prompt."""
    published = alignment == "published"
    marked = cut_markers(clip, composed) if published else place_markers(clip, composed)
    region_tokens, zero_token = hosted.encode_regions(identity)
    tokens = _stack_tokens(region_tokens, zero_token, composed.regions, marked.count)
    rows = marked.channel_positions(hosted.config)
    marked_texts = clip.encode_from_tokens_scheduled(marked.tokens)
    facial = [[hosted.fuse(text, tokens, rows), extra] for text, extra in marked_texts]
    texts = marked_texts
    if published or composed.before_merge != composed.plain:
        texts = clip.encode_from_tokens_scheduled(tokenize_text(clip, composed.before_merge, published))
    negatives = encode_negative(clip, negative, published)
    length = max(text.shape[1] for text, _ in marked_texts)
    facial_negatives = [
        [hosted.fuse(repeat_text(text, length), zero_token[None], rows), extra.copy()] for text, extra in negatives
    ]
    positive = split_stages(texts, facial, merge_at)
    # The released SDXL code has facial tokens in the negative of both stages, by writing in place.
    if hosted.config.delayed_negative and not published:
        return positive, split_stages(negatives, facial_negatives, merge_at)
    return positive, facial_negatives


def encode_negative(clip, text: str, published: bool) -> list:
    """The encoded negative prompt; the last one of each CLIP is kept, since people change the prompt more often."""
    key = (text, published)
    if _negatives.get(clip, (None,))[0] != key:
        _negatives[clip] = (key, clip.encode_from_tokens_scheduled(tokenize_text(clip, text, published)))
    return _negatives[clip][1]


def split_stages(texts: list, facial: list, merge_at: float) -> list:
    """CONDITIONING whose text-only entries act up to the merge point and whose facial entries act after it."""
    return [
        *node_helpers.conditioning_set_values(texts, make_stage("text", merge_at)),
        *node_helpers.conditioning_set_values(facial, make_stage("facial", merge_at)),
    ]


def repeat_text(text: Tensor, length: int) -> Tensor:
    """Repeat an embedding [1, T, D] along T until it has at least `length` tokens; attention to it stays the same."""
    return text.repeat(1, -(-length // text.shape[1]), 1)


def _stack_tokens(region_tokens: dict[str, Tensor], zero_token: Tensor, keys: tuple[str, ...], count: int) -> Tensor:
    """Region tokens [count, D] in marker order; a marker beyond the regions takes the token of zero pixels."""
    tokens = [region_tokens[key] for key in keys][:count]
    return torch.stack(tokens + [zero_token] * max(count - len(tokens), 1))[: max(count, 1)]
