"""Delayed conditioning: the text-only prompt up to the merge point, the facial prompt after it.

Steps are counted from 0. As published, steps i <= start_merge_step are text-only, so facial tokens act from
step start_merge_step + 1 on; ID tokens and LoRA act in every step.
"""

from collections.abc import Sequence

NEVER, ALWAYS = -1.0, 999999999.9
_MARGIN = 0.01


def merge_step(fraction: float, steps: int) -> int:
    """start_merge_step for a merge point given as a fraction of the steps: 0.6 of 50 steps is 30, as published.

    fraction 0 gives -1: facial tokens from the first step; 1 gives `steps`: never. Between them the last step is
    always facial, however few steps there are.
    """
    if fraction <= 0:
        return -1
    return steps if fraction >= 1 else min(round(fraction * steps), steps - 2)


def merge_sigma(sigmas: Sequence[float], start_merge_step: int) -> float:
    """Noise level that separates the two stages: text-only above it, facial below it.

    sigmas: the schedule that is really run, descending, steps + 1 values. The boundary lies just above the sigma of
    the first facial step, so that evaluations between two steps (dpmpp_sde, dpm_2) belong to the step they are in. One
    exactly at the next sigma (heun's second) counts as the next step.
    """
    first = start_merge_step + 1
    if first <= 0:
        return ALWAYS
    if first >= len(sigmas) - 1:
        return NEVER
    return float(sigmas[first]) + _MARGIN * (float(sigmas[first - 1]) - float(sigmas[first]))
