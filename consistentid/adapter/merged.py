"""Whether a base model has an adapter's low-rank weights in its own already, as when it was saved with them."""

from collections.abc import Iterable

from torch import Tensor

from ..errors import IncompatibleModelError
from .attention import Lora

# The small models' own pair measures -0.02 +- 0.006, with the low-rank weights in it 0.98.
MERGED_SHARE = 0.5
MOST = 64
_CERTAINTY = 6


def measure_share(pairs: Iterable[tuple[Tensor, Lora]]) -> float:
    """How much of the low-rank additions is in the weights [out, in], by their inner product: about 0, or about 1.

    0 too where chance alone could give as much, as with few or tiny additions.
    """
    product = square = chance = 0.0
    for weight, lora in pairs:
        weight = weight.detach().float()
        up, down = (part.detach().to(weight.device).float() for part in (lora.up, lora.down))
        product += float((up * (weight @ down.T)).sum())
        size = float(((up.T @ up) * (down @ down.T)).sum())
        square += size
        chance += size * float(weight.square().mean())
    return product / square if square and product > _CERTAINTY * chance**0.5 else 0.0


def check_unmerged(share: float, source: str) -> None:
    """IncompatibleModelError when the low-rank weights would be added a second time."""
    if share > MERGED_SHARE:
        raise IncompatibleModelError(
            f"This base model was saved with the low-rank weights of {source} in it (measured {share:.2f} of them; "
            "1 is all). It would get them a second time. Set lora_weight to 0, or load the checkpoint that it was "
            "made from."
        )
