"""Facial tokens in the text embedding: CONDITIONING that switches at the merge point."""

import logging

from comfy.sd import CLIP
from comfy_api.latest import io

from ..consistentid.choices import ALIGNMENTS
from ..consistentid.finite import require_finite
from ..consistentid.identity import Identity
from ..consistentid.identity.people import list_masked
from ..consistentid.prompt.compose import compose_text, describe_placement
from ..consistentid.prompt.encode import encode_stages
from ..consistentid.prompt.mark import close_embedding
from ..consistentid.prompt.unknown import describe_unknown, find_unknown_words
from .boundary import sockets
from .boundary.display import show_prompt
from .model.hosting import HostedAdapter
from .people import Person, list_people
from .text.clip import HostedText, check_encoders
from .text.conditioning import write_conditioning


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
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="What the picture shows: who, where, in which style. Leave the face to the photo",
                ),
                io.String.Input(
                    "negative",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="What the picture shall not show, such as: blurry, lowres",
                ),
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
                    tooltip=(
                        "Lower: more of the face; higher: more of the prompt. The part of the steps drawn from "
                        "the prompt alone: 0.6 as published, 1 all"
                    ),
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
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="Tokens placed; regions without a word; words that the small models do not know",
                ),
            ],
            **sockets.SHOWS_RESULTS,
        )

    @classmethod
    def execute(
        cls,
        clip: CLIP,
        adapter: HostedAdapter,
        identity: Identity | tuple[Person, ...],
        prompt: str,
        negative: str,
        merge_at: float,
        alignment: str,
        caption: str = "",
    ) -> io.NodeOutput:
        require_finite(merge_at=merge_at)
        check_encoders(clip, adapter.config, adapter.adapter.source)
        people, text = list_people(identity), HostedText(clip)
        identities = [person.identity for person in people]
        composed = compose_text(close_embedding(prompt), caption, identities, adapter.config, text, alignment)
        negatives = text.encode_negative(negative, composed.is_published)
        stages = encode_stages(text, adapter, identities, composed, negatives, list_masked(people))
        conditioning = write_conditioning(stages, people, composed, merge_at)
        report = describe_placement(composed, identities, adapter.config)
        unknown = find_unknown_words(composed.plain, adapter.config, text)
        shown = show_prompt(composed, len(stages.positions), report, unknown)
        lines = describe_unknown(unknown)
        for line in lines:
            logging.warning("Inject Facial Tokens: %s", line)
        report = "\n".join([report, *lines])
        return io.NodeOutput(*conditioning, composed.marked, report, ui={"consistentid_prompt": [shown]})
