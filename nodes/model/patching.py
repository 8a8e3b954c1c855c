"""Everything that changes a MODEL: on a clone, and through ComfyUI's public patching only.

LoRA becomes weight patches, merged once by the host. ID keys and values are computed before sampling; a replace patch
on each cross-attention adds attention to them. A wrapper around sampling places the merge point on the real schedule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid5
from weakref import WeakKeyDictionary, ref

import torch
from comfy.model_patcher import ModelPatcher, set_model_options_patch_replace
from comfy.patcher_extension import CallbacksMP, WrappersMP
from comfy.weight_adapter import LoRAAdapter
from torch import nn

from ...consistentid.adapter.config import CONFIGS, AdapterConfig
from ...consistentid.adapter.merged import MOST, check_unmerged, measure_share
from ...consistentid.adapter.schedule import Schedule
from ...consistentid.adapter.sites import Site, list_sites
from ...consistentid.errors import IncompatibleModelError
from ...consistentid.finite import require_finite
from ...consistentid.identity import Identity
from ..people import Person, list_people
from .attention import SITES, IDAttentionPatch, IDKeyValue, keep_own_patches, run_unet
from .hosting import HostedAdapter, make_patcher
from .rows import mark_rows
from .stages import note_conditions, prepare_run

KEY = "consistentid"
RUN_WRAPPERS = (
    (WrappersMP.OUTER_SAMPLE, prepare_run),
    (WrappersMP.SAMPLER_SAMPLE, note_conditions),
    (WrappersMP.CALC_COND_BATCH, mark_rows),
    (WrappersMP.APPLY_MODEL, run_unet),
)

_own_shares: WeakKeyDictionary = WeakKeyDictionary()


def detect_base(model: ModelPatcher) -> AdapterConfig | None:
    """The adapter configuration that fits a MODEL; None for models ConsistentID does not support."""
    unet = getattr(getattr(model.model, "model_config", None), "unet_config", {})
    for config in CONFIGS:
        is_labelled = unet.get("adm_in_channels") is not None
        if unet.get("context_dim") == config.width and is_labelled == config.is_pooled:
            return config
    return None


@dataclass(frozen=True, eq=False)
class PersonLayers:
    """What a person adds to the cross-attentions of a UNet: keys and values of every site of `config`.

    owner: of key_values, for the host's memory management. weight: times the person's and the schedule's.
    """

    config: AdapterConfig
    person: Person
    key_values: tuple[IDKeyValue, ...]
    owner: ModelPatcher
    weight: float
    schedule: Schedule

    def patch_options(self, model_options: dict, strength: float = 1.0) -> dict:
        """`model_options`, changed: a patch at each site, behind what is there already."""
        for site, key_value in zip(list_sites(self.config), self.key_values, strict=True):
            depth, previous = find_previous(model_options, site)
            weight = strength * self.weight * self.person.weight * self.schedule.at_group(site.group)
            patch = IDAttentionPatch(key_value, self.owner, weight, previous, self.person.mask, self.schedule)
            model_options = set_model_options_patch_replace(model_options, patch, "attn2", *site.block, depth)
        sites = frozenset((*site.block, site.depth) for site in list_sites(self.config))
        return {**model_options, "transformer_options": {**model_options["transformer_options"], SITES: sites}}


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
    require_finite(weight=weight, lora_weight=lora_weight)
    missing = find_missing_loras(model, hosted, lora_weight)
    clone = model.clone()
    for share, patches in missing.items():
        clone.add_patches(patches, share)
    if missing:
        clone.patches_uuid = name_patches(model, hosted, lora_weight)
    dtype = clone.model.manual_cast_dtype or clone.model_dtype()
    for layers in project_people(hosted, people, weight, schedule, avoid, dtype):
        clone.model_options = layers.patch_options(clone.model_options)
    install_run(clone)
    clone.set_attachments(KEY, True)
    return clone


def has_adapter(model: ModelPatcher) -> bool:
    """Whether an adapter was applied, with whatever weights; a MODEL that is only watched has none."""
    return model.get_attachment(KEY) is not None


def install_run(model: ModelPatcher) -> None:
    """Put what places the merge point and tells whose rows are whose into `model`, once."""
    for place, wrapper in RUN_WRAPPERS:
        model.remove_wrappers_with_key(place, KEY)
        model.add_wrapper_with_key(place, KEY, wrapper)
    model.remove_callbacks_with_key(CallbacksMP.ON_CLONE, KEY)
    model.add_callback_with_key(CallbacksMP.ON_CLONE, KEY, keep_own_patches)


def project_people(
    hosted: HostedAdapter,
    people: Identity | tuple[Person, ...],
    weight: float = 1.0,
    schedule: Schedule | None = None,
    avoid: Identity | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[PersonLayers]:
    """The layers of each person whose weight is not zero (see apply_adapter), or who has a mask: at the same places
    facial tokens are masked, which have no weight."""
    layers, schedule = [], schedule or Schedule()
    for person in list_people(people):
        if weight * person.weight or person.mask is not None:
            pairs = hosted.project_keys(person.identity, avoid)
            keys = tuple(IDKeyValue(key, value, dtype) for key, value in pairs)
            owner = make_patcher(nn.ModuleList(keys))
            layers.append(PersonLayers(hosted.config, person, keys, owner, weight, schedule))
    return layers


def find_missing_loras(
    model: ModelPatcher, hosted: HostedAdapter, lora_weight: float
) -> dict[float, dict[str, LoRAAdapter]]:
    """The low-rank weights as patches by the host's key, by how much of them `model` lacks to have `lora_weight`.

    A merge by blocks leaves another share in each. Raises IncompatibleModelError for another kind of model.
    """
    _check_base(model, hosted)
    missing = {}
    for key, patch in _make_lora_patches(model, hosted).items():
        share = lora_weight - _find_share(model.patches.get(key, []), patch)
        if share > 0:
            missing.setdefault(share, {})[key] = patch
    if missing:
        check_unmerged(_measure_own_share(model, hosted), hosted.adapter.source)
    return missing


def name_patches(model: ModelPatcher, hosted: HostedAdapter, lora_weight: float) -> UUID:
    """What `patches_uuid` becomes when `model` gets what it lacks: equal for equal weights, whoever the person is.

    By it the host tells whether what it has merged is what is asked for. Adding patches gives a new one each time: with
    that, another weight or photo would take every weight out of the model and merge it again.
    """
    return uuid5(model.patches_uuid, f"{hosted.uuid} {lora_weight}")


def check_hookable(model: ModelPatcher) -> None:
    """IncompatibleModelError for packed weights: what ComfyUI does to change weights for some conditions only copies
    them as they are, which fails there, and ends the whole program with a GGUF file in F16."""
    for name, weight in model.model.named_parameters():
        if type(weight) is not nn.Parameter:
            raise IncompatibleModelError(
                f"ComfyUI cannot change packed weights for some conditions only, and MODEL has such: {name} is a "
                f"{type(weight).__name__}. Use 'Apply ConsistentID' in place of 'Hook ConsistentID', set its "
                "lora_weight to 0, or load a file that is not GGUF or quantised."
            )


def _check_base(model: ModelPatcher, hosted: HostedAdapter) -> None:
    base = detect_base(model)
    if base and base.name == hosted.config.name:
        return
    kind = type(model.model.model_config).__name__ if hasattr(model.model, "model_config") else "unknown"
    found = f"of {base.title}" if base else f"a model of type {kind}"
    raise IncompatibleModelError(
        f"The adapter {hosted.adapter.source} is for {hosted.config.title}, but MODEL is {found}. "
        f"Supported base models: {', '.join(config.title for config in CONFIGS)}, each with its own adapter."
    )


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


def _measure_own_share(model: ModelPatcher, hosted: HostedAdapter) -> float:
    """How much of the low-rank weights is in the model's own weights, once for each pair of the two."""
    adapter, share = _own_shares.get(model.model, (None, 0.0))
    if adapter is None or adapter() is not hosted.adapter:
        loras = list(hosted.adapter.loras.items())[:: -(-len(hosted.adapter.loras) // MOST)]
        pairs = [(_find_own_weight(model, _weight_key(*place)), lora) for place, lora in loras]
        fits = ((weight, lora) for weight, lora in pairs if weight is not None)
        pairs = [(one, lora) for one, lora in fits if one.shape == (lora.up.shape[0], lora.down.shape[1])]
        share = measure_share(pairs)
        _own_shares[model.model] = ref(hosted.adapter), share
    return share


def _find_own_weight(model: ModelPatcher, key: str) -> torch.Tensor | None:
    """A weight as it was loaded, whatever is patched into it now; None where it is packed."""
    kept = model.hook_backup.get(key, [None])[0]
    weight = kept if kept is not None else getattr(model.backup.get(key), "weight", None)
    weight = model.get_model_object(key) if weight is None else weight
    return weight if type(weight) in (torch.Tensor, nn.Parameter) and weight.is_floating_point() else None


def _make_lora_patches(model: ModelPatcher, hosted: HostedAdapter) -> dict[str, LoRAAdapter]:
    """Weight patches by the host's key; IncompatibleModelError when one does not fit the MODEL."""
    patches = {
        _weight_key(site, attention, projection): LoRAAdapter(set(), (lora.up, lora.down, None, None, None, None))
        for (site, attention, projection), lora in hosted.adapter.loras.items()
    }
    for key, patch in patches.items():
        shape, found = (patch.weights[0].shape[0], patch.weights[1].shape[1]), _find_shape(model, key)
        if found != shape:
            raise IncompatibleModelError(
                f"The adapter {hosted.adapter.source} does not fit this MODEL: {key} has shape {found}, "
                f"the adapter expects {shape}. Use a standard checkpoint of {hosted.config.title}."
            )
    return patches


def _find_shape(model: ModelPatcher, key: str) -> tuple[int, int] | None:
    """Of a layer's weight as it multiplies; the tensor may be packed (GGUF, nvfp4). None if there is no such layer."""
    try:
        layer = model.get_model_object(key.removesuffix(".weight"))
        return layer.out_features, layer.in_features
    except AttributeError:
        return None


def _weight_key(site: Site, attention: str, projection: str) -> str:
    name = "to_out.0" if projection == "to_out" else projection
    return f"diffusion_model.{site.comfy}.{attention}.{name}.weight"


def find_previous(model_options: dict, site: Site) -> tuple[int | None, Callable | None]:
    """Where to patch a site, and what is patched there already.

    ComfyUI lets a patch at (block, number, depth) hide one at (block, number), so the longer form is used only where
    a block holds several sites or somebody else has used it.
    """
    existing = model_options["transformer_options"].get("patches_replace", {}).get("attn2", {})
    exact = (*site.block, site.depth)
    if exact in existing or not site.is_alone:
        return site.depth, existing.get(exact, existing.get(site.block))
    return None, existing.get(site.block)
