"""The two stages of a prompt as CONDITIONING: the merge point, and the masks of people."""

from collections.abc import Sequence

import node_helpers

from ...consistentid.adapter.masks import mask_tokens
from ...consistentid.ports import Entry
from ...consistentid.prompt.align import FacialPrompt
from ...consistentid.prompt.encode import Stages, find_tokens
from ..model.rows import FACIAL_TOKENS, TOKEN_MASKS
from ..model.stages import make_stage
from ..people import Person


def write_conditioning(
    stages: Stages, people: Sequence[Person], composed: FacialPrompt, merge_at: float
) -> tuple[list, list]:
    """Positive and negative CONDITIONING; the words about a person with a mask act inside it."""

    def write(entries: list[Entry], **told) -> list:
        return [[entry.rows, {**entry.extra, **_mask_words(people, entry), **told}] for entry in entries]

    told = {FACIAL_TOKENS: find_tokens(composed, stages.positions)}
    positive = split_stages(write(stages.text.positive), write(stages.facial.positive, **told), merge_at)
    if stages.text.negative is stages.facial.negative:
        return positive, write(stages.facial.negative)
    return positive, split_stages(write(stages.text.negative), write(stages.facial.negative), merge_at)


def _mask_words(people: Sequence[Person], entry: Entry) -> dict:
    masks = mask_tokens([person.mask for person in people], entry.own, entry.rows.shape[1])
    return {TOKEN_MASKS: list(masks)} if masks else {}


def split_stages(texts: list, facial: list, merge_at: float) -> list:
    """CONDITIONING whose text-only entries act up to the merge point and whose facial entries act after it."""
    return [
        *node_helpers.conditioning_set_values(texts, make_stage("text", merge_at)),
        *node_helpers.conditioning_set_values(facial, make_stage("facial", merge_at)),
    ]
