"""Settings that belong together: how much of the person, how much of the prompt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """weight: of the ID tokens; lora_weight: of the low-rank weights; merge_at: fraction of the steps before facial
    tokens act."""

    weight: float
    lora_weight: float
    merge_at: float


# "balanced" is as published. The others are starting points, not tuned by measured likeness.
PRESETS = {
    "likeness": Preset(weight=1.1, lora_weight=1.0, merge_at=0.3),
    "balanced": Preset(weight=1.0, lora_weight=1.0, merge_at=0.6),
    "editable": Preset(weight=0.7, lora_weight=0.8, merge_at=0.8),
}
