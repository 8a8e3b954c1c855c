"""The mapping network: identity features and an expression code -> two text tokens.

Parameter names of the released mapping.pt.
"""

import torch
from torch import Tensor, nn

from .msid import FEATURE_WIDTH

EXPRESSION_WIDTH = 64
TOKEN_WIDTH = 768


class TokenProjection(nn.Module):
    """[B, 1600] -> one text token [B, 768]."""

    def __init__(self):
        super().__init__()
        widths = (FEATURE_WIDTH + EXPRESSION_WIDTH, FEATURE_WIDTH)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, FEATURE_WIDTH), nn.Dropout(0.1), nn.LeakyReLU(0.2)) for width in widths
        )
        self.fc_out = nn.Linear(FEATURE_WIDTH, TOKEN_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.fc_out(x)


class MappingNetwork(nn.Module):
    """Identity features [B, 1536] -> text tokens [B, 2, 768]."""

    def __init__(self):
        super().__init__()
        self.null_exp = nn.Parameter(torch.zeros(EXPRESSION_WIDTH))
        self.i2t_first = TokenProjection()
        self.i2t_last = TokenProjection()

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
