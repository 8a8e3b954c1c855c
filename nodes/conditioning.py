"""Facial tokens in the text embedding: CONDITIONING that switches at the merge point."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import node_helpers
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.config import AdapterConfig
from ..consistentid.caption.align import FacialPrompt
from ..consistentid.caption.group import names_people
from ..consistentid.caption.mark import MARKER
from ..consistentid.choices import ALIGNMENTS
from ..consistentid.facial_text import (
    compose_for_identity,
    compose_for_people,
    describe_placement,
    find_owners,
    repeat_text,
    stack_strengths,
    stack_tokens,
)
from ..consistentid.finite import require_finite
from .boundary import sockets
from .boundary.display import show_prompt
from .model.hosting import HostedAdapter
from .model.masks import TokenMask
from .model.rows import TOKEN_MASKS
from .model.stages import make_stage
from .people import Person, list_people
from .text.clip import check_encoders, count_tokens, cut_markers, place_markers, tokenize_text

_negatives: WeakKeyDictionary = WeakKeyDictionary()


class InjectTokens(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_InjectTokens",
            display_name="Inject Facial Tokens",
            category=sockets.SAMPLING,
            description=(
                "Encodes prompt and negative prompt, and puts the person's facial tokens where the description names "
                "face, ears, eyes, nose and mouth. Up to the merge point the sampler sees the text alone."
            ),
            **sockets.list_aliases("text encode", "prompt", "clip", "trigger word", "提示词"),
            inputs=[
                io.Clip.Input("clip", tooltip="Of the checkpoint that also gives MODEL"),
                sockets.Adapter.Input("adapter", tooltip="From Load ConsistentID Adapter"),
                io.MultiType.Input(
                    "identity",
                    [sockets.Identity, sockets.People],
                    tooltip="One identity, or several people from Add Person",
                ),
                io.String.Input(
                    "prompt", multiline=True, dynamic_prompts=True, default="", tooltip="What the picture shows"
                ),
                io.String.Input("negative", multiline=True, dynamic_prompts=True, default="", tooltip="What to avoid"),
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
                    options=list(ALIGNMENTS),
                    default="auto",
                    tooltip=(
                        "Which region meets which word. auto: as trained for the fixed sentence, each region its own "
                        "word otherwise; published: exactly the released code, prompts cut at 77 tokens"
                    ),
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    "positive_conditioning",
                    display_name="positive",
                    tooltip="For any sampler; the merge point is inside",
                ),
                io.Conditioning.Output(
                    "negative_conditioning",
                    display_name="negative",
                    tooltip="For any sampler; the merge point is inside",
                ),
                io.String.Output(
                    "marked_prompt", display_name="marked_prompt", tooltip="The text, and where facial tokens go"
                ),
                io.String.Output("report", display_name="report", tooltip="Tokens placed; regions without a word"),
            ],
            **sockets.SHOWS_RESULTS,
        )

    @classmethod
    def execute(cls, clip, adapter, identity, prompt, negative, merge_at, alignment, caption="") -> io.NodeOutput:
        require_finite(merge_at=merge_at)
        check_encoders(clip, adapter.config, adapter.adapter.source)
        people = list_people(identity)
        composed = compose(clip, adapter.config, people, prompt, caption, alignment)
        conditioning = inject_tokens(clip, adapter, people, composed, negative, merge_at, alignment)
        report = describe_placement(composed, [person.identity for person in people])
        count = cut_markers(clip, composed).count if alignment == "published" else composed.marked.count(MARKER)
        shown = show_prompt(composed, count, report)
        return io.NodeOutput(*conditioning, composed.marked, report, ui={"consistentid_prompt": [shown]})


def compose(
    clip, config: AdapterConfig, people: tuple[Person, ...], prompt: str, caption: str, alignment: str
) -> FacialPrompt:
    """The prompt with the facial description of each person."""
    if prompt.split()[-1:] and "embedding:" in prompt.split()[-1]:
        prompt += " "  # or the separator would become part of the embedding's name
    identities = [person.identity for person in people]
    if len(people) > 1 or names_people(prompt):
        return compose_for_people(prompt, caption, identities, config, alignment)

    def count(text: str) -> int:
        return count_tokens(clip, text, literal=alignment == "published")

    return compose_for_identity(prompt, caption, identities[0], config, count, alignment)


def inject_tokens(
    clip,
    hosted: HostedAdapter,
    people: tuple[Person, ...],
    composed: FacialPrompt,
    negative: str,
    merge_at: float,
    alignment: str = "auto",
) -> tuple[list, list]:
    """Positive and negative CONDITIONING of a composed prompt."""
    published = alignment == "published"
    marked = cut_markers(clip, composed) if published else place_markers(clip, composed)
    identities = [person.identity for person in people]
    region_tokens, (zero_token, *_) = zip(*map(hosted.encode_regions, identities), strict=True)
    tokens = stack_tokens(composed, region_tokens, zero_token, marked.count)
    strengths = stack_strengths(composed, identities, marked.count)
    rows = marked.channel_positions(hosted.config)
    masks = mask_tokens(people, find_owners(composed), rows)

    def fuse(text: Tensor, region_tokens: Tensor, extra: dict) -> list:
        return [hosted.fuse(text, region_tokens, rows, strengths), {**extra, **masks(text.shape[1])}]

    marked_texts = clip.encode_from_tokens_scheduled(marked.tokens)
    for text, _ in marked_texts:
        marked.check_rows(text)
    facial = [fuse(text, tokens, extra) for text, extra in marked_texts]
    texts = marked_texts
    if published or composed.before_merge != composed.plain:
        texts = clip.encode_from_tokens_scheduled(tokenize_text(clip, composed.before_merge, published))
    negatives = encode_negative(clip, negative, published)
    length = max(text.shape[1] for text, _ in marked_texts)
    facial_negatives = [fuse(repeat_text(text, length), zero_token[None], extra) for text, extra in negatives]
    positive = split_stages(texts, facial, merge_at)
    before, after = hosted.config.has_facial_negative(published)
    if before == after:
        return positive, facial_negatives if after else negatives
    return positive, split_stages(negatives, facial_negatives, merge_at)


def mask_tokens(people: tuple[Person, ...], owners: tuple[int, ...], rows: Tensor) -> Callable[[int], dict]:
    """For a text of a given length: the values of a CONDITIONING entry that keep each person's facial tokens in the
    person's mask. rows: positions of the tokens, [N, D]."""

    def build(length: int) -> dict:
        masks = []
        for number, person in enumerate(people):
            own = [index for index, owner in enumerate(owners[: len(rows)]) if owner == number]
            if person.mask is not None and own:
                masks.append(TokenMask(rows[own].unique(), length, person.mask))
        return {TOKEN_MASKS: masks} if masks else {}

    return build


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
