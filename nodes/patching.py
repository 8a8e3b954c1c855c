"""Everything that changes a MODEL: on a clone, and through ComfyUI's public patching only.

LoRA becomes weight patches, merged once by the host. ID keys and values are computed before sampling; a replace patch
on each cross-attention adds attention to them. A wrapper around sampling places the merge point on the real schedule.
"""

from collections.abc import Callable

import torch
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from comfy.weight_adapter import LoRAAdapter
from torch import nn

from ..consistentid.adapter.config import CONFIGS, AdapterConfig
from ..consistentid.adapter.schedule import Schedule
from ..consistentid.adapter.sites import Site, list_sites
from ..consistentid.errors import IncompatibleModelError
from ..consistentid.identity import Identity
from .attention import IDAttentionPatch, IDKeyValue
from .hosting import HostedAdapter, make_patcher
from .people import Person, list_people
from .stages import note_conditions, prepare_run

KEY = "consistentid"


def detect_base(model: ModelPatcher) -> AdapterConfig | None:
    """The adapter configuration that fits a MODEL; None for models ConsistentID does not support."""
    unet = getattr(getattr(model.model, "model_config", None), "unet_config", {})
    for config in CONFIGS:
        is_labelled = unet.get("adm_in_channels") is not None
        if unet.get("context_dim") == config.width and is_labelled == (config.name == "sdxl"):
            return config
    return None


def apply_adapter(
    model: ModelPatcher,
    hosted: HostedAdapter,
    people: Identity | tuple[Person, ...],
    weight: float = 1.0,
    lora_weight: float = 1.0,
    schedule: Schedule | None = None,
    avoid: Identity | None = None,
) -> ModelPatcher:
    """A clone of `model` that draws the person, or each of several people inside their mask; `model` stays as it is.

    weight: of the attention to ID tokens; lora_weight: of the low-rank additions, of which a model gets no second
    share when the adapter is applied again. avoid: a person to stay away from, in place of nobody, in the negative.
    Raises IncompatibleModelError.
    """
    _check_base(model, hosted)
    clone = model.clone()
    _add_loras(clone, hosted, lora_weight)
    for person in list_people(people):
        if weight * person.weight:
            _add_id_attention(clone, hosted, person, weight, schedule or Schedule(), avoid)
    for place, wrapper in ((WrappersMP.OUTER_SAMPLE, prepare_run), (WrappersMP.SAMPLER_SAMPLE, note_conditions)):
        clone.remove_wrappers_with_key(place, KEY)
        clone.add_wrapper_with_key(place, KEY, wrapper)
    return clone


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


def _add_loras(clone: ModelPatcher, hosted: HostedAdapter, lora_weight: float) -> None:
    """Add the low-rank weights up to `lora_weight`, counting what an earlier application has added."""
    patches = _make_lora_patches(clone, hosted)
    key, patch = next(iter(patches.items()))
    present = _find_share(clone.patches.get(key, []), patch)
    if lora_weight > present:
        clone.add_patches(patches, lora_weight - present)


def _find_share(applied: list[tuple], patch: LoRAAdapter) -> float:
    """How much of a low-rank patch is among the patches of a weight; a merge of models leaves a part of it."""
    share = 0.0
    for strength, content, kept, *_ in applied:
        share *= kept
        if isinstance(content, list):  # a merged model: its weight, then its patches
            share += strength * _find_share(content[1:], patch)
        elif isinstance(content, LoRAAdapter) and torch.equal(content.weights[0], patch.weights[0]):
            share += strength
    return share


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


def _add_id_attention(
    clone: ModelPatcher,
    hosted: HostedAdapter,
    person: Person,
    weight: float,
    schedule: Schedule,
    avoid: Identity | None,
) -> None:
    dtype = clone.model.manual_cast_dtype or clone.model_dtype()
    pairs = hosted.project_keys(person.identity, avoid)
    key_values = nn.ModuleList(IDKeyValue(key, value, dtype) for key, value in pairs)
    owner = make_patcher(key_values)
    for site, key_value in zip(list_sites(hosted.config), key_values, strict=True):
        depth, previous = _find_previous(clone, site, hosted.config)
        site_weight = weight * person.weight * schedule.at_group(site.group)
        patch = IDAttentionPatch(key_value, owner, site_weight, previous, person.mask, schedule)
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
