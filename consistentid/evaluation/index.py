"""One number for what pulls in two directions: the likeness of a picture, and how well it follows the prompt."""

from collections.abc import Mapping

import numpy as np

from .metrics import CLIPS, RECOGNISERS

INDEPENDENT = [metric for metric in RECOGNISERS if metric != "face_sim"]


def combine_scores(scores: Mapping[str, float | None]) -> dict[str, float]:
    """The index of a picture by three means; empty where likeness or text was not measured.

    Likeness is the mean FaceSim of the recognisers that did not condition the picture, where there are any, else of
    the one that did; None, a picture without a face, counts as 0. Text is the mean CLIP-T of the CLIPs.
    """
    independent = [metric for metric in INDEPENDENT if metric in scores]
    likeness = [scores[metric] or 0.0 for metric in independent or ("face_sim",) if metric in scores]
    text = [value for end in CLIPS if (value := scores.get(f"clip_t{end}")) is not None]
    return combine(float(np.mean(likeness)), float(np.mean(text))) if likeness and text else {}


def combine(likeness: float, text: float) -> dict[str, float]:
    """Three means of two cosines. The arithmetic one takes them as they are; to the others, which know no negative
    numbers, a cosine below 0 is 0, and so is then the mean.

    >>> {name: round(value, 3) for name, value in combine(0.6, 0.2).items()}
    {'index_arithmetic': 0.4, 'index_geometric': 0.346, 'index_harmonic': 0.3}
    >>> combine(-0.1, 0.3)
    {'index_arithmetic': 0.1, 'index_geometric': 0.0, 'index_harmonic': 0.0}
    """
    a, b = max(likeness, 0.0), max(text, 0.0)
    return {
        "index_arithmetic": (likeness + text) / 2,
        "index_geometric": (a * b) ** 0.5,
        "index_harmonic": 2 * a * b / (a + b) if a + b else 0.0,
    }
