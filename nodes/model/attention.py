"""The patch of one cross-attention: attention to the ID tokens, and masks of facial tokens."""

import copy
from collections.abc import Callable
from functools import lru_cache

import torch
from comfy.ldm.modules.attention import attention_pytorch, get_attn_precision, optimized_attention
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from ...consistentid.adapter.attention import add_id_attention
from ...consistentid.adapter.masks import AttentionMask
from ...consistentid.adapter.schedule import Schedule, find_progress
from ...consistentid.adapter.tokens import Pair
from ...consistentid.errors import IncompatibleModelError
from .rows import UNET, WATCH, Rows, find_grid, find_rows, make_text_bias, read_rows

SITES = "consistentid_sites"
CALLED = "consistentid_called"
_progress: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


class IDKeyValue(nn.Module):
    """Keys and values of one site, [2, 2, 4, C]: rows unconditional and conditional, as the host usually batches.

    key, value: [2, 4, C] in the order of a Pair.
    """

    def __init__(self, key: Tensor, value: Tensor, dtype: torch.dtype):
        super().__init__()
        rows = Pair(*torch.stack([key, value], dim=1))
        self.pair = nn.Parameter(torch.stack([rows.nobody, rows.person]).to(dtype), requires_grad=False)

    def select(self, conditional: tuple[bool, ...], query: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, 4, C] for a batch whose rows are conditional or not."""
        pair = self.pair.to(query)
        if conditional != (False, True):
            pair = pair.index_select(0, _index(conditional, query.device))
        key, value = pair.unbind(1)
        return key, value


@lru_cache(maxsize=64)
def _index(conditional: tuple[bool, ...], device: torch.device) -> Tensor:
    return torch.tensor([int(is_conditional) for is_conditional in conditional], device=device)


class IDAttentionPatch:
    """Replace patch of one cross-attention: what would have run there, plus attention to the ID tokens.

    weight: of the ID tokens at this site, times `schedule`'s factor at each step, inside `mask` if there is one; with 0
    there may be no key_value and owner.
    Other packs' patches at the same place keep working: one that was there before is called first, and one that
    comes later may be added the way IPAdapter_plus and InstantID do (`add`).
    """

    def __init__(
        self,
        key_value: IDKeyValue | None,
        owner: ModelPatcher | None,
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
        if CALLED in extra_options:
            extra_options[CALLED].add((*extra_options["block"], extra_options["block_index"]))
        rows = find_rows(q, k, extra_options)
        attended = self._attend_text(q, k, v, extra_options, rows)
        # Where the host wants attention in float32 (some Macs draw black pictures otherwise), this part is too.
        query = q.to(get_attn_precision(extra_options.get("attn_precision"), q.dtype) or q.dtype)
        weight = self._find_weight(query, extra_options, rows)
        out = attended
        if weight is not None and self.key_value:
            id_kv = self.key_value.select(rows.conditional, query)
            out = add_id_attention(attended, query, id_kv, extra_options["n_heads"], weight).to(q.dtype)
        for function, options in self.added:
            if options["sigma_end"] <= float(extra_options["sigmas"][0]) <= options["sigma_start"]:
                out = out + function(out, q, k, v, extra_options, **options)
        return out

    def _attend_text(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict, rows: Rows) -> Tensor:
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
        bias = make_text_bias(rows, q, k, extra_options)
        if watch := extra_options.get(WATCH):
            watch.note(q, k, extra_options, rows, bias, _read_progress(extra_options))
        if self.previous is None:
            return attend(bias)
        attended = self.previous(q, k, v, extra_options)
        return attended if bias is None else attended + (attend(bias) - attend())

    def _find_weight(self, query: Tensor, extra_options: dict, rows: Rows) -> float | Tensor | None:
        """The weight of the ID tokens now, for all pixels or for each; None when they do not act."""
        weight = self.weight
        if not self.schedule.is_constant:
            weight *= self.schedule.at_progress(_read_progress(extra_options))
        if not weight:
            return None
        if self.mask is None:
            return weight
        return weight * self.mask.fit(find_grid(extra_options), rows.places, query)

    def add(self, function: Callable, **options) -> None:
        self.added.append((function, options))

    def models(self) -> list[ModelPatcher]:
        list_others = getattr(self.previous, "models", None)
        return [*([self.owner] if self.owner else []), *(list_others() if list_others else [])]

    def to(self, device_or_dtype) -> "IDAttentionPatch":
        if move := getattr(self.previous, "to", None):
            self.previous = move(device_or_dtype)
        return self

    def make_twin(self) -> "IDAttentionPatch":
        """A patch of its own for a cloned MODEL, so that `add` there stays there; weights are shared."""
        twin = copy.copy(self)
        twin.added = list(self.added)
        if isinstance(self.previous, IDAttentionPatch):
            twin.previous = self.previous.make_twin()
        return twin

    def __deepcopy__(self, memo) -> "IDAttentionPatch":
        return self  # hosts that copy patches with a MODEL would copy the weights too; see keep_own_patches


def keep_own_patches(model: ModelPatcher, clone: ModelPatcher) -> None:
    """Callback of a MODEL that was cloned: what is added to our patches of the clone stays there."""
    patches = clone.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    for site, patch in patches.items():
        if isinstance(patch, IDAttentionPatch):
            patches[site] = patch.make_twin()


def run_unet(executor, x, t, c_concat, c_crossattn, control, transformer_options, *args, **kwargs):
    """Wrapper around the UNet. Raises IncompatibleModelError where another node has taken the place of our patches."""
    options, ran = read_rows(x, transformer_options, kwargs), {}
    if forward := vars(getattr(executor.class_obj, "diffusion_model", executor)).get("forward"):
        options[UNET] = getattr(forward, "__module__", str(forward))
    if taken := _list_taken(options):
        options |= {CALLED: set(), "patches_replace": _watch(options["patches_replace"], taken, ran)}
    output = executor(x, t, c_concat, c_crossattn, control, options, *args, **kwargs)
    if taken and (lost := ran.keys() - options[CALLED]):
        names = sorted({ran[site] for site in lost})
        raise IncompatibleModelError(
            f"Another node has put its own attention in the place of ConsistentID's, at {len(lost)} of "
            f"{len(options[SITES])} layers: {', '.join(names)}. Connect 'Apply ConsistentID' behind that node."
        )
    return output


def _list_taken(options: dict) -> set[tuple]:
    """Keys of the patches of others where we put one; they may call ours, or not."""
    patches = options.get("patches_replace", {}).get("attn2", {})
    running = {site if site in patches else site[:-1] for site in options.get(SITES, ())}
    return {key for key in running if not isinstance(patches.get(key, sum), IDAttentionPatch)} & patches.keys()


def _watch(patches_replace: dict, keys: set[tuple], ran: dict[tuple, str]) -> dict:
    """The same patches, where those of `keys` put their module into `ran` by the site at which they are called."""

    def watch(patch: Callable) -> Callable:
        def call(q, k, v, extra_options):
            site = (*extra_options["block"], extra_options["block_index"])
            ran[site] = getattr(patch, "__module__", str(patch))
            return patch(q, k, v, extra_options)

        return call

    patches = patches_replace["attn2"]
    return {**patches_replace, "attn2": patches | {key: watch(patches[key]) for key in keys}}


def _read_progress(extra_options: dict) -> float:
    """Part of the steps done; read from the device once for all sites."""
    sigmas = extra_options["sigmas"]
    if sigmas not in _progress:
        _progress[sigmas] = find_progress(extra_options["sample_sigmas"].tolist(), float(sigmas[0]))
    return _progress[sigmas]
