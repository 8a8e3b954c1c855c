"""The adapter inside a diffusers UNet, and out of it again.

ID tokens come with each call of the UNet, one set per row: `cross_attention_kwargs={"id_tokens": tokens}`; with masks
of people (`RunMasks`) one set per row and person.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from ..adapter.attention import PROJECTIONS, Lora
from ..adapter.checkpoint import Adapter
from ..adapter.config import CONFIGS, AdapterConfig
from ..adapter.merged import MOST, check_unmerged, measure_share
from ..adapter.schedule import Schedule
from ..adapter.sites import Site, list_sites
from ..errors import IncompatibleModelError
from .processors import CrossProcessor, SelfProcessor

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

PLAIN_PROCESSORS = ("AttnProcessor", "AttnProcessor2_0", "XFormersAttnProcessor", "SlicedAttnProcessor")


@dataclass(eq=False)
class InstalledAdapter:
    """An adapter inside a UNet. `processors`: in checkpoint order; their `state_dict` is the file's adapter_modules.

    weight: of the attention to ID tokens, times what `schedule` says of a step and a site.
    """

    unet: "UNet2DConditionModel"
    config: AdapterConfig
    processors: nn.ModuleList
    replaced: dict[str, Any]
    weight: float = 1.0
    schedule: Schedule = field(default_factory=Schedule)

    def set_weights(self, weight: float, lora_weight: float, schedule: Schedule | None = None) -> None:
        """weight: of the attention to ID tokens; lora_weight: of the low-rank additions."""
        self.weight, self.schedule = weight, schedule or self.schedule
        self.begin_step(0.0)
        for processor in self.processors:
            if isinstance(processor, SelfProcessor):
                processor.lora_weight = lora_weight

    def begin_step(self, progress: float) -> None:
        """Weigh the ID tokens as the schedule says at a part of the steps, 0..1."""
        now = self.weight * self.schedule.at_progress(progress)
        for site in list_sites(self.config):
            processor = cast(CrossProcessor, self.processors[site.cross_entry])
            processor.weight = now * self.schedule.at_group(site.group)

    def remove(self) -> None:
        """Give the UNet the processors back that it had; a second call does nothing."""
        if self.replaced:
            self.unet.set_attn_processor(dict(self.replaced))
            self.replaced = {}


def detect_base(unet: "UNet2DConditionModel") -> AdapterConfig | None:
    """The adapter configuration that fits a diffusers UNet; None for models ConsistentID does not support."""
    found = {name.removesuffix(".processor") for name in getattr(unet, "attn_processors", {})}
    for config in CONFIGS:
        sites = {f"{site.diffusers}.{attention}" for site in list_sites(config) for attention in ("attn1", "attn2")}
        if found == sites and unet.config["cross_attention_dim"] == config.width:
            return config
    return None


def install_adapter(
    unet: "UNet2DConditionModel",
    adapter: Adapter,
    weight: float = 1.0,
    lora_weight: float = 1.0,
    schedule: Schedule | None = None,
) -> InstalledAdapter:
    """Put an adapter into a UNet, in place; what is returned can remove it.

    LoRA of other packages (peft) keeps working, loaded before or after. Weights go to the UNet's device and dtype, and
    are shared with `adapter` where it has them there already. schedule: when and where ID tokens act; the steps are
    told by `begin_step`, as `sample` does. Raises IncompatibleModelError.
    """
    _check_fit(unet, adapter)
    replaced = unet.attn_processors
    if lora_weight:
        check_unmerged(measure_share(_list_weights(unet, adapter)), adapter.source)
    where = (lora_weight, unet.device, unet.dtype)
    processors: dict[str, Any] = {}
    for site, id_layer in zip(list_sites(adapter.config), adapter.id_layers, strict=True):
        loras = {
            attention: {projection: adapter.loras[site, attention, projection] for projection in PROJECTIONS}
            for attention in ("attn1", "attn2")
        }
        processors[f"{site.diffusers}.attn1.processor"] = SelfProcessor(loras["attn1"], *where)
        processors[f"{site.diffusers}.attn2.processor"] = CrossProcessor(loras["attn2"], id_layer, weight, *where)
    unet.set_attn_processor(dict(processors))
    modules = nn.ModuleList(processors.values())
    installed = InstalledAdapter(unet, adapter.config, modules, replaced, weight, schedule or Schedule())
    installed.begin_step(0.0)
    return installed


def check_base(unet: "UNet2DConditionModel", config: AdapterConfig, user: str, name: str = "this UNet") -> None:
    """IncompatibleModelError unless the UNet is of a base model. user: what is for that one; name: of the UNet."""
    base = detect_base(unet)
    if base is None or base.name != config.name:
        found = f"of {base.title}" if base else f"a {type(unet).__name__} of another layout"
        raise IncompatibleModelError(
            f"{user} is for {config.title}, but {name} is {found}. Supported base models: "
            f"{', '.join(f'{config.title} ({config.name})' for config in CONFIGS)}, each with its own adapter."
        )


def _check_fit(unet: "UNet2DConditionModel", adapter: Adapter) -> None:
    check_base(unet, adapter.config, f"The adapter {adapter.source}")
    others = {type(processor).__name__ for processor in unet.attn_processors.values()} - set(PLAIN_PROCESSORS)
    if others:
        raise IncompatibleModelError(
            f"The UNet's attention is changed already ({', '.join(sorted(others))}). Remove that first."
        )
    for (site, attention, projection), lora in adapter.loras.items():
        layer = find_layer(unet, site, attention, projection)
        expected = (lora.up.shape[0], lora.down.shape[1])
        if (layer.out_features, layer.in_features) != expected:
            raise IncompatibleModelError(
                f"The adapter {adapter.source} does not fit this UNet: {site.diffusers}.{attention}.{projection} has "
                f"shape {[layer.out_features, layer.in_features]}, the adapter expects {list(expected)}. Use a "
                f"standard checkpoint of {adapter.config.title}."
            )


def find_layer(unet: nn.Module, site: Site, attention: str, projection: str) -> nn.Linear:
    """A projection of the UNet; attention: "attn1" or "attn2", projection: one of PROJECTIONS."""
    path = f"{site.diffusers}.{attention}.{projection}{'.0' if projection == 'to_out' else ''}"
    return cast(nn.Linear, unet.get_submodule(path))


def _list_weights(unet: nn.Module, adapter: Adapter) -> list[tuple[Tensor, Lora]]:
    """Some of the weights that get low-rank additions, and these."""
    loras = list(adapter.loras.items())[:: -(-len(adapter.loras) // MOST)]
    return [(find_layer(unet, *place).weight, lora) for place, lora in loras]
