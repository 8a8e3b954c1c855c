"""The adapter inside a diffusers UNet: attention processors with LoRA at run time and attention to ID tokens.

The processors are modules with the checkpoint's own parameter names, so they can be trained and written back. ID tokens
come with each call of the UNet, one set per row: `cross_attention_kwargs={"id_tokens": tokens}`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn

from ..adapter.attention import PROJECTIONS, IDLayer, Lora, add_id_attention, attend
from ..adapter.checkpoint import Adapter
from ..adapter.config import CONFIGS, AdapterConfig
from ..adapter.merged import MOST, check_unmerged, measure_share
from ..adapter.sites import Site, list_sites
from ..errors import IncompatibleModelError

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

PLAIN_PROCESSORS = ("AttnProcessor", "AttnProcessor2_0", "XFormersAttnProcessor", "SlicedAttnProcessor")


class Attention(Protocol):
    """What is used of diffusers' attention layer."""

    heads: int
    to_q: nn.Linear
    to_k: nn.Linear
    to_v: nn.Linear
    to_out: nn.ModuleList


class LoraBranch(nn.Module):
    """The low-rank addition of one projection, [B, N, in] -> [B, N, out]."""

    def __init__(self, lora: Lora, device=None, dtype: torch.dtype | None = None):
        super().__init__()
        self.down = _make_linear(lora.down, device, dtype)
        self.up = _make_linear(lora.up, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


class SelfProcessor(nn.Module):
    """Self-attention with LoRA on its four projections; `id_tokens` is taken and ignored."""

    def __init__(self, loras: dict[str, Lora], lora_weight: float = 1.0, device=None, dtype: torch.dtype | None = None):
        super().__init__()
        self.lora_weight = lora_weight
        for projection in PROJECTIONS:
            setattr(self, f"{projection}_lora", LoraBranch(loras[projection], device, dtype))

    # diffusers reads the names of the arguments off `__call__`, which in a Module has none.
    def __call__(self, attn: Attention, hidden_states, encoder_hidden_states=None, attention_mask=None, id_tokens=None):
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, id_tokens)

    def forward(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None,
        attention_mask: Tensor | None,
        id_tokens: Tensor | None,
    ) -> Tensor:
        if attention_mask is not None:
            raise IncompatibleModelError("Attention masks on text are not supported together with ConsistentID.")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = self.project(attn.to_q, "to_q", hidden_states)
        key = self.project(attn.to_k, "to_k", context)
        value = self.project(attn.to_v, "to_v", context)
        attended = attend(query, key, value, attn.heads)
        attended = self.add_identity(attended, query, id_tokens, attn.heads)
        out, dropout = attn.to_out
        return dropout(self.project(out, "to_out", attended))

    def add_identity(self, attended: Tensor, query: Tensor, id_tokens: Tensor | None, heads: int) -> Tensor:
        return attended

    def project(self, layer: nn.Module, name: str, x: Tensor) -> Tensor:
        projected = layer(x)
        if not self.lora_weight:
            return projected
        return torch.add(projected, getattr(self, f"{name}_lora")(x), alpha=self.lora_weight)


class CrossProcessor(SelfProcessor):
    """Cross-attention with LoRA, plus `weight` times attention to ID tokens [B, 4, D]; None leaves them out."""

    def __init__(
        self,
        loras: dict[str, Lora],
        id_layer: IDLayer,
        weight: float = 1.0,
        lora_weight: float = 1.0,
        device=None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(loras, lora_weight, device, dtype)
        self.weight = weight
        self.to_k_ip = _make_linear(id_layer.to_k_ip.weight, device, dtype)
        self.to_v_ip = _make_linear(id_layer.to_v_ip.weight, device, dtype)

    def add_identity(self, attended: Tensor, query: Tensor, id_tokens: Tensor | None, heads: int) -> Tensor:
        if id_tokens is None or not self.weight:
            return attended
        if id_tokens.shape[0] != query.shape[0]:
            raise IncompatibleModelError(
                f"{id_tokens.shape[0]} sets of ID tokens for {query.shape[0]} rows of the UNet's batch; give one each."
            )
        id_tokens = id_tokens.to(query)
        return add_id_attention(attended, query, (self.to_k_ip(id_tokens), self.to_v_ip(id_tokens)), heads, self.weight)


@dataclass(eq=False)
class InstalledAdapter:
    """An adapter inside a UNet. `processors`: in checkpoint order; their `state_dict` is the file's adapter_modules."""

    unet: "UNet2DConditionModel"
    config: AdapterConfig
    processors: nn.ModuleList
    replaced: dict[str, Any]

    def set_weights(self, weight: float, lora_weight: float) -> None:
        """weight: of the attention to ID tokens; lora_weight: of the low-rank additions."""
        for processor in self.processors:
            if isinstance(processor, SelfProcessor):
                processor.lora_weight = lora_weight
            if isinstance(processor, CrossProcessor):
                processor.weight = weight

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
    unet: "UNet2DConditionModel", adapter: Adapter, weight: float = 1.0, lora_weight: float = 1.0
) -> InstalledAdapter:
    """Put an adapter into a UNet, in place; what is returned can remove it.

    LoRA of other packages (peft) keeps working, loaded before or after. Weights go to the UNet's device and dtype, and
    are shared with `adapter` where it has them there already. Raises IncompatibleModelError.
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
    return InstalledAdapter(unet, adapter.config, nn.ModuleList(processors.values()), replaced)


def check_base(unet: "UNet2DConditionModel", config: AdapterConfig, adapter: str, name: str = "this UNet") -> None:
    """IncompatibleModelError unless the UNet is of the adapter's base model."""
    base = detect_base(unet)
    if base is not config:
        found = f"of {base.title}" if base else f"a {type(unet).__name__} of another layout"
        raise IncompatibleModelError(
            f"{adapter} is for {config.title}, but {name} is {found}. Supported base models: "
            f"{', '.join(config.title for config in CONFIGS)}, each with its own adapter."
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


def _make_linear(weight: Tensor, device=None, dtype: torch.dtype | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight.detach().to(device=device, dtype=dtype), requires_grad=False)
    return layer
