"""The patch of one cross-attention: attention to the ID tokens, and masks of facial tokens."""

import copy
from collections.abc import Callable

import torch
from comfy.ldm.modules.attention import attention_pytorch, get_attn_precision, optimized_attention
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from ..consistentid.adapter.attention import add_id_attention
from ..consistentid.adapter.schedule import Schedule, find_progress
from .masks import AttentionMask
from .stages import TOKEN_MASKS, list_areas, list_conditional

_progress: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


class IDKeyValue(nn.Module):
    """Keys and values of one site, [2, 2, 4, C]: rows unconditional and conditional, as the host usually batches."""

    def __init__(self, key: Tensor, value: Tensor, dtype: torch.dtype):
        super().__init__()
        self.pair = nn.Parameter(torch.stack([key, value], dim=1).flip(0).to(dtype), requires_grad=False)

    def select(self, conditional: list[bool], query: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, 4, C] for a batch whose parts are conditional or not, in the order given."""
        pair = self.pair.to(query)
        rows = [int(is_conditional) for is_conditional in conditional]
        if rows != [0, 1]:
            pair = torch.cat([pair[row : row + 1] for row in rows])
        if query.shape[0] > len(rows):
            pair = pair.repeat_interleave(query.shape[0] // len(rows), dim=0)
        return pair.unbind(1)


class IDAttentionPatch:
    """Replace patch of one cross-attention: what would have run there, plus attention to the ID tokens.

    weight: of the ID tokens at this site, times `schedule`'s factor at each step, inside `mask` if there is one.
    Other packs' patches at the same place keep working: one that was there before is called first, and one that
    comes later may be added the way IPAdapter_plus and InstantID do (`add`).
    """

    def __init__(
        self,
        key_value: IDKeyValue,
        owner: ModelPatcher,
        weight: float,
        previous: Callable | None,
        mask: AttentionMask | None = None,
        schedule: Schedule | None = None,
    ):
        self.key_value = key_value
        self.owner = owner
        self.weight = weight
        self.previous = previous
        self.mask = mask
        self.schedule = schedule or Schedule()
        self.added: list[tuple[Callable, dict]] = []

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict) -> Tensor:
        attended = self._attend_text(q, k, v, extra_options)
        # Where the host wants attention in float32 (some Macs draw black pictures otherwise), this part is too.
        query = q.to(get_attn_precision(extra_options.get("attn_precision"), q.dtype) or q.dtype)
        weight = self._find_weight(query, extra_options)
        out = attended
        if weight is not None:
            id_kv = self.key_value.select(list_conditional(extra_options), query)
            out = add_id_attention(attended, query, id_kv, extra_options["n_heads"], weight).to(q.dtype)
        for function, options in self.added:
            if options["sigma_end"] <= float(extra_options["sigmas"][0]) <= options["sigma_start"]:
                out = out + function(out, q, k, v, extra_options, **options)
        return out

    def _attend_text(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict) -> Tensor:
        def attend(mask=None):
            # Not every kernel the host may have chosen heeds a mask; PyTorch's does.
            return (optimized_attention if mask is None else attention_pytorch)(
                *(q, k, v, extra_options["n_heads"]),
                mask=mask,
                attn_precision=extra_options.get("attn_precision"),
                transformer_options=extra_options,
            )

        if isinstance(self.previous, IDAttentionPatch):
            return self.previous(q, k, v, extra_options)
        bias = _make_text_bias(q, k.shape[1], extra_options)
        if self.previous is None:
            return attend(bias)
        attended = self.previous(q, k, v, extra_options)
        return attended if bias is None else attended + (attend(bias) - attend())

    def _find_weight(self, query: Tensor, extra_options: dict) -> float | Tensor | None:
        """The weight of the ID tokens now, for all pixels or for each; None when they do not act."""
        weight = self.weight
        if not self.schedule.is_constant:
            weight *= self.schedule.at_progress(_read_progress(extra_options))
        if not weight:
            return None
        if self.mask is None:
            return weight
        areas = list_areas(extra_options)
        grid, images = _find_grid(extra_options), query.shape[0] // len(areas)
        return weight * torch.cat([self.mask.fit(grid, images, query, area) for area in areas])

    def add(self, function: Callable, **options) -> None:
        self.added.append((function, options))

    def models(self) -> list[ModelPatcher]:
        return [self.owner, *(self.previous.models() if hasattr(self.previous, "models") else [])]

    def to(self, device_or_dtype) -> "IDAttentionPatch":
        if hasattr(self.previous, "to"):
            self.previous = self.previous.to(device_or_dtype)
        return self

    def __deepcopy__(self, memo) -> "IDAttentionPatch":
        # A cloned MODEL gets its own patch, so that `add` on the clone stays there; weights are shared.
        twin = copy.copy(self)
        twin.added = list(self.added)
        twin.previous = copy.deepcopy(self.previous, memo)
        return twin


def _make_text_bias(query: Tensor, length: int, extra_options: dict) -> Tensor | None:
    masks = extra_options.get(TOKEN_MASKS)
    if masks is None:
        return None
    return masks.make_bias(extra_options["uuids"], list_areas(extra_options), _find_grid(extra_options), query, length)


def _read_progress(extra_options: dict) -> float:
    """Part of the steps done; read from the device once for all sites."""
    sigmas = extra_options["sigmas"]
    if sigmas not in _progress:
        _progress[sigmas] = find_progress(extra_options["sample_sigmas"].tolist(), float(sigmas[0]))
    return _progress[sigmas]


def _find_grid(extra_options: dict) -> tuple[int, int]:
    """Height and width of the layer's feature map."""
    return tuple(extra_options["activations_shape"][-2:])
