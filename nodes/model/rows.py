"""Whose is a row of the batch: of which condition, which image, and which part of the picture.

Each condition carries marks into the UNet, a row of them for each image. Who cuts the batch into tiles or windows of
frames does the same to the marks, so that they tell in the UNet whose every row is. Which part of the picture a row
shows is found by looking for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import NamedTuple

import torch
from comfy.conds import CONDRegular
from torch import Tensor

from ...consistentid.adapter.attention_maps import FacialTokens
from ...consistentid.adapter.masks import Biases, Place, TokenMask
from ...consistentid.errors import ConsistentIDError
from .row_trace import TRACE, trace_rows

TOKEN_MASKS = "consistentid_token_masks"
FACIAL_TOKENS = "consistentid_facial_tokens"
CONDITION = "consistentid_condition"
FRAMES = "consistentid_frames"
SIZE = "consistentid_size"
MARKS = "consistentid_marks"
CONDITIONS = "consistentid_conditions"
PICTURE = "consistentid_picture"
ROWS = "consistentid_rows"
BIASES = "consistentid_biases"
UNET = "consistentid_unet"
WATCH = "consistentid_attention_watch"
_UNKNOWN = -1


class FacialText(NamedTuple):
    """Where the facial tokens of each region are in a text of `length` tokens."""

    tokens: FacialTokens
    length: int


@dataclass(frozen=True, eq=False)
class Condition:
    """What the attention has to know of a condition: whether it is negative, its tokens with a mask, and its facial
    ones, None without any."""

    is_negative: bool
    token_masks: tuple[TokenMask, ...] = ()
    facial_text: FacialText | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a batch. find_places: raises ConsistentIDError where nobody knows what a row shows."""

    conditions: tuple[Condition, ...]
    find_places: Callable[[], tuple[Place, ...]]
    _picked: dict[tuple, "Rows"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.conditions)

    @cached_property
    def conditional(self) -> tuple[bool, ...]:
        return tuple(not condition.is_negative for condition in self.conditions)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Image and area of each row, as masks need them (see AttentionMask.fit)."""
        return self.find_places()

    def pick(self, order: tuple[int, ...]) -> "Rows":
        """These rows in another order, each as often as it is named."""
        if order == tuple(range(len(self))):
            return self
        if order not in self._picked:
            conditions = tuple(self.conditions[row] for row in order)
            find = self.find_places
            self._picked[order] = Rows(conditions, lambda: tuple(find()[row] for row in order))
        return self._picked[order]


def note_run(conds: dict[str, list[dict]], noise: Tensor, options: dict) -> dict[str, list[dict]]:
    """A run's conditions with what `mark_rows` tells of them; `options` gets the size of the latent."""
    options |= {SIZE: tuple(noise.shape[-2:]), BIASES: Biases()}
    # A tensor as long as the batch: who draws windows of frames cuts it to theirs.
    frames = torch.arange(len(noise))
    return {
        name: [{**cond, FRAMES: frames, CONDITION: _describe("negative" in name, cond)} for cond in entries]
        for name, entries in conds.items()
    }


def _describe(is_negative: bool, cond: dict) -> Condition:
    # The text as it is now: another node may have put more behind it.
    masks = (replace(mask, length=cond["cross_attn"].shape[1]) for mask in cond.get(TOKEN_MASKS, ()))
    tokens = None if is_negative else cond.get(FACIAL_TOKENS)
    return Condition(is_negative, tuple(masks), tokens and FacialText(tokens, cond["cross_attn"].shape[1]))


def mark_rows(executor, model, conds, x_in, timestep, model_options, *args, **kwargs):
    """Wrapper around one evaluation of the conditions: each gets its marks, [image, 2]: own number, image's number."""
    conditions: list[Condition] = []
    marked = [
        entries and [_mark(cond, number, len(x_in), conditions) for cond in entries]
        for number, entries in enumerate(conds)
    ]
    options = {**model_options["transformer_options"], CONDITIONS: conditions, PICTURE: x_in}
    model_options = {**model_options, "transformer_options": options}
    return executor(model, marked, x_in, timestep, model_options, *args, **kwargs)


def _mark(cond: dict, number: int, images: int, conditions: list[Condition]) -> dict:
    frames = cond.get(FRAMES)
    if frames is None or len(frames) != images:
        frames = torch.full((images,), _UNKNOWN)
    marks = torch.stack([torch.full((images,), len(conditions)), frames.cpu()], dim=1).int()
    # Who adds conditions while a run goes on numbers them as the host does.
    conditions.append(cond.get(CONDITION) or Condition(is_negative=number == 1))
    return {**cond, "model_conds": {**cond["model_conds"], MARKS: CONDRegular(marks)}}


def read_rows(x: Tensor, options: dict, arguments: dict) -> dict:
    """Options of one run of the UNet on `x`, with what the marks tell; they are taken out of its other arguments."""
    marks, options = arguments.pop(MARKS, None), dict(options)
    if marks is not None and len(marks) == len(x):
        numbers, images = marks.T.tolist()
        conditions = tuple(options[CONDITIONS][number] for number in numbers)
        options[ROWS] = Rows(conditions, cache(partial(_find_places, images, x, options[PICTURE], options.get(SIZE))))
    if patches := options.get("patches", {}).get("attn2_patch"):
        options["patches"] = {**options["patches"], "attn2_patch": trace_rows(patches)}
    return options


def find_rows(query: Tensor, key: Tensor, extra_options: dict) -> Rows:
    """The rows of a query in a cross-attention. Raises ConsistentIDError where they cannot be known."""
    rows, trace = extra_options.get(ROWS) or _assume_rows(extra_options), extra_options.get(TRACE)
    order = trace.query if trace else tuple(range(len(rows)))
    if order is None or min(order) < 0 or not len(order) == len(query) == len(key):
        raise _refuse(f"{len(query)} rows with {len(key)} texts, where the host has {len(rows)}", extra_options)
    return rows.pick(order)


def _refuse(found: str, extra_options: dict) -> ConsistentIDError:
    names = extra_options[TRACE].modules if TRACE in extra_options else (extra_options.get(UNET, "another node"),)
    return ConsistentIDError(
        f"ConsistentID cannot tell whose rows the attention works on: {found}. Changed by {', '.join(names)}. Remove "
        "the node that does it, or Apply ConsistentID; if it goes on without that node, unload the models."
    )


def make_text_bias(rows: Rows, query: Tensor, key: Tensor, extra_options: dict) -> Tensor | None:
    """What to add to attention scores so that masked tokens act inside their masks only; None without such tokens.

    Rows that have another text than their condition's, as regions of other packs do, have none of its tokens.
    """
    if not any(condition.token_masks for condition in rows.conditions):
        return None
    masks = [
        row.token_masks if own else () for row, own in zip(rows.conditions, list_own(rows, extra_options), strict=True)
    ]
    biases = extra_options.get(BIASES) or Biases()
    return biases.get(tuple(masks), rows.places, find_grid(extra_options), key.shape[1], query.device, query.dtype)


def list_own(rows: Rows, extra_options: dict) -> list[bool]:
    """Whether each row has the text of its own condition. Raises ConsistentIDError where that cannot be known."""
    trace = extra_options.get(TRACE)
    if trace is None:
        return [True] * len(rows)
    if trace.text is None:
        raise _refuse("texts that come from nowhere, in the place of those with facial tokens", extra_options)
    return [row == text for row, text in zip(trace.query, trace.text, strict=True)]


def find_grid(extra_options: dict) -> tuple[int, int]:
    """Height and width of the layer's feature map."""
    return tuple(extra_options["activations_shape"][-2:])


def _assume_rows(extra_options: dict) -> Rows:
    """Without maps: one row for each condition, in the host's numbers."""
    kinds = extra_options["cond_or_uncond"]
    return Rows(tuple(Condition(kind == 1) for kind in kinds), lambda: ((_UNKNOWN, None),) * len(kinds))


def _find_places(images: list[int], x: Tensor, picture: Tensor, size: tuple[int, int] | None) -> tuple[Place, ...]:
    """What each row of `x` shows of `picture`, from which it was cut; size: of the latent that masks are for."""
    if tuple(x.shape[-2:]) == size:
        return tuple((image, None) for image in images)
    places, picture = [], picture.to(x.device)
    for row, image in zip(x, images, strict=True):
        corners = {corner for one in picture for corner in _list_corners(row, one)}
        if len(corners) != 1 or tuple(picture.shape[-2:]) != size:
            raise ConsistentIDError(
                f"Masks of people cannot be placed: the UNet sees {_name_size(x)} of a picture of "
                f"{_name_size(picture)} latent pixels, and it cannot be told where they are in it. Samplers that draw "
                "tile by tile do so, and SpotDiffusion. Use MultiDiffusion, draw it whole, or remove the masks."
            )
        places.append((image, (size, (*x.shape[-2:], *corners.pop()))))
    return tuple(places)


def _list_corners(row: Tensor, picture: Tensor) -> list[tuple[int, int]]:
    """Top and left of each place in `picture` that looks like `row`, pixel by pixel."""
    height, width = row.shape[-2:]
    starts = picture[:, : picture.shape[1] - height + 1, : picture.shape[2] - width + 1]
    return [
        (top, left)
        for top, left in (starts == row[:, :1, :1]).all(dim=0).nonzero().tolist()
        if torch.equal(picture[:, top : top + height, left : left + width], row)
    ]


def _name_size(x: Tensor) -> str:
    return f"{x.shape[-1]} x {x.shape[-2]}"
