"""The two stages of a prompt as CONDITIONING: the merge point, and the masks of people."""

from collections.abc import Callable, Sequence

import node_helpers
from torch import Tensor

from ...consistentid.ports import Entry
from ...consistentid.prompt.align import FacialPrompt
from ...consistentid.prompt.compose import find_owners
from ...consistentid.prompt.encode import Stages
from ..model.masks import TokenMask
from ..model.rows import TOKEN_MASKS
from ..model.stages import make_stage
from ..people import Person


def write_conditioning(
    stages: Stages, people: Sequence[Person], composed: FacialPrompt, merge_at: float
) -> tuple[list, list]:
    """Positive and negative CONDITIONING; the facial tokens of a person with a mask act inside it."""
    masks = mask_tokens(people, find_owners(composed), stages.positions)

    def write(entries: list[Entry]) -> list:
        return [[rows, {**extra, **(masks(rows.shape[1]) if facial else {})}] for rows, extra, facial in entries]

    positive = split_stages(write(stages.text.positive), write(stages.facial.positive), merge_at)
    if stages.text.negative is stages.facial.negative:
        return positive, write(stages.facial.negative)
    return positive, split_stages(write(stages.text.negative), write(stages.facial.negative), merge_at)


def mask_tokens(people: Sequence[Person], owners: tuple[int, ...], rows: Tensor) -> Callable[[int], dict]:
    """For a text of a given length: the values of a CONDITIONING entry that keep each person's facial tokens in the
    person's mask. rows: positions of the tokens, [N] or [N, D]."""

    def build(length: int) -> dict:
        masks = []
        for number, person in enumerate(people):
            own = [index for index, owner in enumerate(owners[: len(rows)]) if owner == number]
            if person.mask is not None and own:
                masks.append(TokenMask(rows[own].unique(), length, person.mask))
        return {TOKEN_MASKS: masks} if masks else {}

    return build


def split_stages(texts: list, facial: list, merge_at: float) -> list:
    """CONDITIONING whose text-only entries act up to the merge point and whose facial entries act after it."""
    return [
        *node_helpers.conditioning_set_values(texts, make_stage("text", merge_at)),
        *node_helpers.conditioning_set_values(facial, make_stage("facial", merge_at)),
    ]
