"""Everything that changes a MODEL: on a clone, and through ComfyUI's public patching only.

LoRA becomes weight patches, merged once by the host. ID keys and values are computed before sampling; a replace patch
on each cross-attention adds attention to them. A wrapper around sampling places the merge point on the real schedule.
"""

import copy
from collections.abc import Callable

import comfy.patcher_extension
import torch
from comfy.ldm.modules.attention import get_attn_precision, optimized_attention
from comfy.model_patcher import ModelPatcher
from comfy.weight_adapter import LoRAAdapter
from torch import Tensor, nn

from ..consistentid.adapter.attention import add_id_attention
from ..consistentid.adapter.config import CONFIGS, AdapterConfig
from ..consistentid.adapter.sites import Site, list_sites
from ..consistentid.errors import IncompatibleModelError
from ..consistentid.identity import Identity
from ..consistentid.merge import merge_sigma, merge_step
from .hosting import HostedAdapter, make_patcher

KEY = "consistentid"
STAGE = "consistentid_stage"
NEGATIVES = "consistentid_negatives"


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

    Other packs' patches at the same place keep working: one that was there before is called first, and one that
    comes later may be added the way IPAdapter_plus and InstantID do (`add`).
    """

    def __init__(self, key_value: IDKeyValue, owner: ModelPatcher, weight: float, previous: Callable | None):
        self.key_value = key_value
        self.owner = owner
        self.weight = weight
        self.previous = previous
        self.added: list[tuple[Callable, dict]] = []

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra_options: dict) -> Tensor:
        heads = extra_options["n_heads"]
        precision = extra_options.get("attn_precision")
        if self.previous is not None:
            attended = self.previous(q, k, v, extra_options)
        else:
            attended = optimized_attention(q, k, v, heads, attn_precision=precision, transformer_options=extra_options)
        # Where the host wants attention in float32 (some Macs draw black pictures otherwise), this part is too.
        query = q.to(get_attn_precision(precision, q.dtype) or q.dtype)
        id_kv = self.key_value.select(_list_conditional(extra_options), query)
        out = add_id_attention(attended, query, id_kv, heads, self.weight).to(q.dtype)
        for function, options in self.added:
            if options["sigma_end"] <= float(extra_options["sigmas"][0]) <= options["sigma_start"]:
                out = out + function(out, q, k, v, extra_options, **options)
        return out

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


def detect_base(model: ModelPatcher) -> AdapterConfig | None:
    """The adapter configuration that fits a MODEL; None for models ConsistentID does not support."""
    unet = getattr(getattr(model.model, "model_config", None), "unet_config", {})
    for config in CONFIGS:
        is_labelled = unet.get("adm_in_channels") is not None
        if unet.get("context_dim") == config.width and is_labelled == (config.name == "sdxl"):
            return config
    return None


def apply_adapter(
    model: ModelPatcher, hosted: HostedAdapter, identity: Identity, weight: float = 1.0, lora_weight: float = 1.0
) -> ModelPatcher:
    """A clone of `model` that draws the person; `model` stays as it is.

    weight: of the attention to ID tokens; lora_weight: of the low-rank additions. Raises IncompatibleModelError.
    """
    _check_base(model, hosted)
    clone = model.clone()
    patches = _make_lora_patches(clone, hosted)
    if lora_weight:
        clone.add_patches(patches, lora_weight)
    if weight:
        _add_id_attention(clone, hosted, identity, weight)
    clone.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.OUTER_SAMPLE, KEY, prepare_run)
    return clone


def prepare_run(executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """Sampling wrapper: turn the merge point of facial conditioning into noise levels of the schedule being run, and
    note which conditions are negative."""
    guider = executor.class_obj
    to_sigma = guider.model_patcher.get_model_object("model_sampling").percent_to_sigma
    schedule = sorted(sigmas.tolist(), reverse=True)
    guider.conds = {
        name: [_place_cond(cond, schedule, to_sigma) for cond in conds] for name, conds in guider.conds.items()
    }
    negatives = [cond["uuid"] for name, conds in guider.conds.items() if "negative" in name for cond in conds]
    # The guider's options are a copy that lives as long as the run.
    guider.model_options["transformer_options"][NEGATIVES] = frozenset(negatives)
    return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)


def make_stage(name: str, fraction: float) -> dict:
    """Values of a CONDITIONING entry that is read up to ("text") or after ("facial") a fraction of the steps.

    `prepare_run` puts the border exactly between two steps; without an adapter on the MODEL, percentages of the
    schedule are the next best.
    """
    percents = (0.0, fraction) if name == "text" else (fraction, 1.0)
    stage = {"name": name, "fraction": fraction, "percents": percents}
    return {STAGE: stage, "start_percent": percents[0], "end_percent": percents[1]}


def _place_cond(cond: dict, schedule: list[float], to_sigma: Callable[[float], float]) -> dict:
    stage = cond.get(STAGE)
    if stage is None:
        return cond
    cond = dict(cond)
    start, end = cond.pop("start_percent", 0.0), cond.pop("end_percent", 1.0)
    if (start, end) == stage["percents"]:
        start, end = 0.0, 1.0
    # What remains is a range somebody else asked for: with ConditioningSetTimestepRange, or a CLIP hook schedule.
    high = to_sigma(max(start, cond.pop("clip_start_percent", 0.0)))
    low = to_sigma(min(end, cond.pop("clip_end_percent", 1.0)))
    step = stage["step"] if "step" in stage else merge_step(stage["fraction"], len(schedule) - 1)
    border = merge_sigma(schedule, step)
    if stage["name"] == "text":
        return cond | {"timestep_start": high, "timestep_end": max(low, border)}
    return cond | {"timestep_start": min(high, border), "timestep_end": low}


def _list_conditional(extra_options: dict) -> list[bool]:
    """For each part of the batch whether it is conditional; by what the run noted, since guiders number conditions
    in their own ways."""
    negatives = extra_options.get(NEGATIVES)
    if negatives is None:
        return [kind == 0 for kind in extra_options["cond_or_uncond"]]
    return [uuid not in negatives for uuid in extra_options["uuids"]]


def _check_base(model: ModelPatcher, hosted: HostedAdapter) -> None:
    base = detect_base(model)
    if base is hosted.config:
        return
    kind = type(model.model.model_config).__name__ if hasattr(model.model, "model_config") else "unknown"
    found = f"an {base.title} model" if base else f"a model of type {kind}"
    raise IncompatibleModelError(
        f"The adapter {hosted.adapter.source} is for {hosted.config.title}, but MODEL is {found}. "
        f"Supported base models: {', '.join(config.title for config in CONFIGS)}, each with its own adapter."
    )


def _make_lora_patches(clone: ModelPatcher, hosted: HostedAdapter) -> dict[str, LoRAAdapter]:
    """Weight patches by the host's key; IncompatibleModelError when one does not fit the MODEL."""
    patches = {
        _weight_key(site, attention, projection): LoRAAdapter(set(), (lora.up, lora.down, None, None, None, None))
        for (site, attention, projection), lora in hosted.adapter.loras.items()
    }
    shapes = {key: tuple(tensor.shape) for key, tensor in clone.model.state_dict().items() if key in patches}
    for key, patch in patches.items():
        shape = (patch.weights[0].shape[0], patch.weights[1].shape[1])
        if shapes.get(key) != shape:
            raise IncompatibleModelError(
                f"The adapter {hosted.adapter.source} does not fit this MODEL: {key} has shape {shapes.get(key)}, "
                f"the adapter expects {shape}. Use a standard {hosted.config.title} checkpoint."
            )
    return patches


def _weight_key(site: Site, attention: str, projection: str) -> str:
    name = "to_out.0" if projection == "to_out" else projection
    return f"diffusion_model.{site.comfy}.{attention}.{name}.weight"


def _add_id_attention(clone: ModelPatcher, hosted: HostedAdapter, identity: Identity, weight: float) -> None:
    dtype = clone.model.manual_cast_dtype or clone.model_dtype()
    key_values = nn.ModuleList(IDKeyValue(key, value, dtype) for key, value in hosted.project_keys(identity))
    owner = make_patcher(key_values)
    for site, key_value in zip(list_sites(hosted.config), key_values, strict=True):
        depth, previous = _find_previous(clone, site, hosted.config)
        patch = IDAttentionPatch(key_value, owner, weight, previous)
        clone.set_model_attn2_replace(patch, *site.block, depth)


def _find_previous(clone: ModelPatcher, site: Site, config: AdapterConfig) -> tuple[int | None, Callable | None]:
    """Where to patch a site, and what is patched there already.

    ComfyUI lets a patch at (block, number, depth) hide one at (block, number), so the longer form is used only where
    a block holds several sites or somebody else has used it.
    """
    existing = clone.model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    exact = (*site.block, site.depth)
    if exact in existing or config.name == "sdxl":
        return site.depth, existing.get(exact, existing.get(site.block))
    return None, existing.get(site.block)
