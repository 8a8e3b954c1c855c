"""Low-rank weight additions and decoupled attention over ID tokens.

Both are linear additions, so a host may merge the low-rank part into its weights before sampling and compute
the ID keys and values once: nothing but the small attention over four tokens is left for each step.
Source: attention.py of the reference, Consistent_AttProcessor and Consistent_IPAttProcessor.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PROJECTIONS = ("to_q", "to_k", "to_v", "to_out")


class Lora(NamedTuple):
    """A low-rank addition up @ down to a weight: up [out, rank], down [rank, in]."""

    up: Tensor
    down: Tensor

    def delta(self, scale: float = 1.0, alpha: float | None = None) -> Tensor:
        """The dense addition [out, in]; `alpha` divides by the rank as usual, None (released weights) does not."""
        rank = self.down.shape[0]
        return (scale if alpha is None else scale * alpha / rank) * (self.up @ self.down)


class IDLayer(nn.Module):
    """Key and value projections of one cross-attention for ID tokens; [B, 4, D] -> two [B, 4, C]."""

    def __init__(self, context_width: int, hidden_width: int, operations=nn, **factory):
        super().__init__()
        self.to_k_ip = operations.Linear(context_width, hidden_width, bias=False, **factory)
        self.to_v_ip = operations.Linear(context_width, hidden_width, bias=False, **factory)

    def forward(self, id_tokens: Tensor) -> tuple[Tensor, Tensor]:
        return self.to_k_ip(id_tokens), self.to_v_ip(id_tokens)


class IDLayers(nn.ModuleList):
    """The IDLayer of each site, in site order."""

    def __iter__(self) -> Iterator[IDLayer]:
        return cast(Iterator[IDLayer], super().__iter__())


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Multi-head attention on projected tensors: query [B, N, C], key and value [B, M, C] -> [B, N, C].

    bias: added to the scores of every head, [B, N, M].
    """
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    bias = None if bias is None else bias[:, None]
    return F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2).flatten(2)


def add_id_attention(
    attended: Tensor, query: Tensor, id_kv: tuple[Tensor, Tensor], heads: int, scale: float | Tensor = 1.0
) -> Tensor:
    """Decoupled attention: the result of attending to the text plus `scale` times attention to the ID tokens.

    attended and query: [B, N, C], before `to_out`; id_kv: key and value [B, 4, C]; scale: one number, or one for each
    pixel [B, N, 1].
    """
    attended_ids = attend(query, *id_kv, heads)
    if isinstance(scale, Tensor):
        return torch.addcmul(attended, scale.to(attended_ids), attended_ids)
    return torch.add(attended, attended_ids, alpha=scale)
