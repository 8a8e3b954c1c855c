"""Expression codes as text."""

import re

import torch
from torch import Tensor

from ..errors import ConsistentIDError
from .mapping import EXPRESSION_WIDTH


def parse_expression(text: str) -> Tensor | None:
    """64 numbers between commas, spaces or brackets -> [64]; None for an empty text. ConsistentIDError otherwise."""
    words = re.split(r"[\s,;\[\]]+", text.strip(" \n\t,;[]"))
    if words == [""]:
        return None
    try:
        code = torch.tensor([float(word) for word in words])
    except ValueError as error:
        raise ConsistentIDError(f"The expression code holds something that is no number ({error}).") from error
    if len(code) != EXPRESSION_WIDTH or not code.isfinite().all():
        raise ConsistentIDError(
            f"An expression code is {EXPRESSION_WIDTH} finite numbers, the expression coefficients of a 3D face model; "
            f"this one has {int(code.isfinite().sum())}. Leave it empty for the neutral one."
        )
    return code
