"""Attention processors of diffusers' UNet: LoRA at run time, and attention to ID tokens.

They are modules with the checkpoint's own parameter names, so they can be trained and written back.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from ..adapter.attention import PROJECTIONS, IDLayer, Lora, add_id_attention, attend
from ..errors import IncompatibleModelError
from .masks import RunMasks


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
    """Self-attention with LoRA on its four projections; `id_tokens` and `masks` are taken and ignored."""

    def __init__(self, loras: dict[str, Lora], lora_weight: float = 1.0, device=None, dtype: torch.dtype | None = None):
        super().__init__()
        self.lora_weight = lora_weight
        for projection in PROJECTIONS:
            setattr(self, f"{projection}_lora", LoraBranch(loras[projection], device, dtype))

    # diffusers reads the names of the arguments off `__call__`, which in a Module has none.
    def __call__(
        self,
        attn: Attention,
        hidden_states,
        encoder_hidden_states=None,
        attention_mask=None,
        id_tokens=None,
        masks: RunMasks | None = None,
    ):
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, id_tokens, masks)

    def forward(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None,
        attention_mask: Tensor | None,
        id_tokens: Tensor | None,
        masks: RunMasks | None,
    ) -> Tensor:
        if attention_mask is not None:
            raise IncompatibleModelError("Attention masks on text are not supported together with ConsistentID.")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = self.project(attn.to_q, "to_q", hidden_states)
        key = self.project(attn.to_k, "to_k", context)
        value = self.project(attn.to_v, "to_v", context)
        bias = None if masks is None or encoder_hidden_states is None else masks.make_bias(query, key.shape[1])
        attended = attend(query, key, value, attn.heads, bias)
        attended = self.add_identity(attended, query, id_tokens, attn.heads, masks)
        out, dropout = attn.to_out
        return dropout(self.project(out, "to_out", attended))

    def add_identity(
        self, attended: Tensor, query: Tensor, id_tokens: Tensor | None, heads: int, masks: RunMasks | None
    ) -> Tensor:
        return attended

    def project(self, layer: nn.Module, name: str, x: Tensor) -> Tensor:
        projected = layer(x)
        if not self.lora_weight:
            return projected
        return torch.add(projected, getattr(self, f"{name}_lora")(x), alpha=self.lora_weight)


class CrossProcessor(SelfProcessor):
    """Cross-attention with LoRA, plus `weight` times attention to ID tokens [B, 4, D], or [B, P, 4, D] of P people;
    None leaves them out. masks: where people and their words act."""

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

    def add_identity(
        self, attended: Tensor, query: Tensor, id_tokens: Tensor | None, heads: int, masks: RunMasks | None
    ) -> Tensor:
        if id_tokens is None or not self.weight:
            return attended
        if id_tokens.shape[0] != query.shape[0]:
            raise IncompatibleModelError(
                f"{id_tokens.shape[0]} sets of ID tokens for {query.shape[0]} rows of the UNet's batch; give one each."
            )
        people = (id_tokens[:, None] if id_tokens.ndim == 3 else id_tokens).to(query)
        for number, tokens in enumerate(people.unbind(1)):
            weight = self.weight if masks is None else self.weight * masks.weigh_person(number, query)
            attended = add_id_attention(attended, query, (self.to_k_ip(tokens), self.to_v_ip(tokens)), heads, weight)
        return attended


def _make_linear(weight: Tensor, device=None, dtype: torch.dtype | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight.detach().to(device=device, dtype=dtype), requires_grad=False)
    return layer
