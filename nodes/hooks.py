"""A person as hooks: low-rank weights and attention to ID tokens for the conditions that carry them, and no others."""

from functools import partial

from comfy.hooks import (
    AdditionalModelsHook,
    EnumHookScope,
    EnumWeightTarget,
    HookGroup,
    TransformerOptionsHook,
    WeightHook,
)
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key, get_wrappers_with_key
from comfy_api.latest import io

from ..consistentid.adapter.schedule import Schedule
from ..consistentid.finite import require_finite
from ..consistentid.identity import Identity
from .adapter import list_strength_inputs
from .boundary import sockets
from .model.hosting import HostedAdapter
from .model.patching import KEY, RUN_WRAPPERS, PersonLayers, check_hookable, find_missing_loras, project_people
from .people import Person


class LowRankHook(WeightHook):
    """The low-rank weights of an adapter. Equal ones on one condition count once, as their reference is equal."""

    def __init__(self, hosted: HostedAdapter | None = None, lora_weight: float = 1.0):
        super().__init__()
        self.hook_ref = (hosted, lora_weight)

    def add_hook_patches(
        self, model: ModelPatcher, model_options: dict, target_dict: dict, registered: HookGroup
    ) -> bool:
        if target_dict.get("target") != EnumWeightTarget.Model:
            return False
        hosted, lora_weight = self.hook_ref
        missing = find_missing_loras(model, hosted, lora_weight) if hosted else {}
        if missing:
            check_hookable(model)
        for share, patches in missing.items():
            model.add_hook_patches(self, patches, share)
        registered.add(self)
        return True


class IdentityHook(TransformerOptionsHook):
    """Attention to the ID tokens of people; it also brings the wrappers of a run, if MODEL does not have them."""

    def __init__(self, people: tuple[PersonLayers, ...] = ()):
        super().__init__({}, EnumHookScope.HookedOnly)
        self.people = people

    def clone(self) -> "IdentityHook":
        twin = super().clone()
        twin.people = self.people
        return twin

    def add_hook_patches(
        self, model: ModelPatcher, model_options: dict, target_dict: dict, registered: HookGroup
    ) -> bool:
        for place, wrapper in RUN_WRAPPERS:
            if not get_wrappers_with_key(place, KEY, model_options, is_model_options=True):
                add_wrapper_with_key(place, KEY, wrapper, model_options, is_model_options=True)
        registered.add(self)
        return True

    def on_apply_hooks(self, model: ModelPatcher, transformer_options: dict) -> None:
        """Called before each evaluation of the UNet with conditions that carry this hook."""
        wrapper = partial(_attend_to_people, self.people, self.strength)
        add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, wrapper, transformer_options)


def _attend_to_people(people, strength, executor, x, t, c_concat, c_crossattn, control, transformer_options, **kwargs):
    # Only here the patches of MODEL are known, which ours must not replace; a hook's own would be dropped for them.
    options = {"transformer_options": transformer_options}
    for person in people:
        options = person.patch_options(options, strength)
    return executor(x, t, c_concat, c_crossattn, control, options["transformer_options"], **kwargs)


def make_hooks(
    hosted: HostedAdapter,
    people: Identity | tuple[Person, ...],
    weight: float = 1.0,
    lora_weight: float = 1.0,
    schedule: Schedule | None = None,
    avoid: Identity | None = None,
) -> HookGroup:
    """What apply_adapter does to a MODEL, as hooks; an adapter that does not fit the MODEL is found when sampling."""
    require_finite(weight=weight, lora_weight=lora_weight)
    layers = tuple(project_people(hosted, people, weight, schedule, avoid))
    group = HookGroup()
    group.add(LowRankHook(hosted, lora_weight))
    group.add(IdentityHook(layers))
    group.add(AdditionalModelsHook([person.owner for person in layers], KEY))
    return group


class HookIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_HookIdentity",
            display_name="Hook ConsistentID",
            category=sockets.SAMPLING,
            description=(
                "A person as hooks for 'Cond Pair Set Props': with a mask there, nothing of the person acts outside. "
                "In place of Apply ConsistentID; each person costs one more evaluation of the UNet in each step."
            ),
            **sockets.list_aliases("regional", "mask", "conditioning hook", "区域"),
            inputs=[
                sockets.Adapter.Input("adapter", tooltip="From Load ConsistentID Adapter"),
                io.MultiType.Input(
                    "identity", [sockets.Identity, sockets.People], tooltip="A person, or several from Add Person"
                ),
                *list_strength_inputs(),
                sockets.Schedule.Input(
                    "schedule",
                    optional=True,
                    tooltip="Lets the prompt decide some steps or layers alone. Left open: the person acts in all",
                ),
                sockets.Identity.Input("avoid", optional=True, tooltip="A person the picture shall not look like"),
                io.Hooks.Input("prev_hooks", optional=True, tooltip="Hooks for the same condition: a LoRA, a person"),
            ],
            outputs=[io.Hooks.Output("hooks", display_name="hooks", tooltip="Goes to Cond Pair Set Props")],
        )

    @classmethod
    def execute(
        cls,
        adapter: HostedAdapter,
        identity: Identity | tuple[Person, ...],
        weight: float,
        lora_weight: float,
        schedule: Schedule | None = None,
        avoid: Identity | None = None,
        prev_hooks: HookGroup | None = None,
    ) -> io.NodeOutput:
        hooks = make_hooks(adapter, identity, weight, lora_weight, schedule, avoid)
        return io.NodeOutput(HookGroup.combine_all_hooks([prev_hooks, hooks]))
