"""The mapping network: identity features and an expression code -> two text tokens.

Parameter names of the released mapping.pt.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .msid import EncoderSizes

DROPOUT = 0.1


@dataclass(frozen=True)
class MappingSizes:
    """Widths of a mapping network, by default those that are released: identity features, expression code, token."""

    features: int = EncoderSizes().feature_width
    expression: int = 64
    token: int = 768


def read_mapping_sizes(state: Mapping[str, Tensor]) -> MappingSizes:
    """Those of a weights file, told by its shapes; the released ones for a file of something else."""
    try:
        features, joined = state["i2t_first.layers.0.0.weight"].shape
        token, _ = state["i2t_first.fc_out.weight"].shape
    except (KeyError, ValueError, AttributeError):
        return MappingSizes()
    return MappingSizes(features, joined - features, token) if joined > features else MappingSizes()


class TokenProjection(nn.Module):
    """[B, 1600] -> one text token [B, 768]."""

    def __init__(self, sizes: MappingSizes):
        super().__init__()
        widths = (sizes.features + sizes.expression, sizes.features)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, sizes.features), nn.Dropout(DROPOUT), nn.LeakyReLU(0.2)) for width in widths
        )
        self.fc_out = nn.Linear(sizes.features, sizes.token)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.fc_out(x)


class MappingNetwork(nn.Module):
    """Identity features [B, 1536] -> text tokens [B, 2, 768]; other sizes, others."""

    def __init__(self, sizes: MappingSizes | None = None):
        super().__init__()
        self.sizes = sizes = sizes or MappingSizes()
        self.null_exp = nn.Parameter(torch.zeros(sizes.expression))
        self.i2t_first = TokenProjection(sizes)
        self.i2t_last = TokenProjection(sizes)

    def forward(self, features: Tensor, expression: Tensor | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """expression: [B, 64], or [1, 64] for all; None for the learned neutral one, as published.

        strength: one number or [B]; 0 is the neutral expression, 1 the given one, between them they are blended.
        """
        null = self.null_exp.expand(len(features), -1)
        if expression is None:
            expression = null
        else:
            share = torch.as_tensor(strength).to(features).reshape(-1, 1)
            expression = expression * share + null * (1 - share)
        joined = torch.cat((features, expression), dim=1)
        return torch.stack((self.i2t_first(joined), self.i2t_last(joined)), dim=1)
