"""Where the parts of a face lie on the base mesh: functions of places on it before any morph, in dm."""

import numpy as np

from .assets import load_mask

UPPER_LIP_ABOVE = 6.612
HEAD_CENTRE = np.array([0.0, 7.35, 0.5])
HAIRLINE = (
    (-0.40, 0.10, 0.25, 0.30, 0.58, 0.62, 0.75, 0.80, 0.90, 1.05, 1.20, 1.40),
    (6.60, 6.65, 6.85, 7.15, 7.38, 7.02, 7.02, 7.42, 7.62, 7.86, 7.98, 8.02),
)
"""Heights of the edge of the hair by z."""
JAW = ((0.35, 0.45, 0.55, 0.65, 0.90, 1.40), (7.00, 6.90, 6.60, 6.42, 6.27, 6.20))
"""Heights of the edge between face and neck by z."""
NOSE = ((6.78, 6.81, 6.88, 6.95, 7.05, 7.20, 7.32), (0.05, 0.15, 0.20, 0.19, 0.13, 0.075, 0.055))
"""Half widths of the nose by height."""
BROW = ((0.08, 0.20, 0.37, 0.54), (7.450, 7.478, 7.505, 7.445))
"""Heights of the middle of a brow by distance from the middle."""


def read_mask(name: str, places: np.ndarray) -> np.ndarray:
    """Values 0..1 of a mask at UV coordinates [N, 2]."""
    mask = load_mask(name)
    side = len(mask)
    rows = ((1 - places[:, 1]) * side).clip(0, side - 1).astype(np.int32)
    return mask[rows, (places[:, 0] * side).clip(0, side - 1).astype(np.int32)].astype(np.float32) / 255


def measure_hairline(rest: np.ndarray, recession: float = 0.0, height: float = 0.0) -> np.ndarray:
    """How far above the edge of the hair places [N, 3] are. recession: how far the temples are bare, 0..1."""
    z, y, x = rest[:, 2], rest[:, 1], abs(rest[:, 0])
    edge = np.interp(z, *HAIRLINE)
    edge += height * np.clip((z - 0.9) / 0.2, 0, 1)
    edge += 0.35 * recession * np.clip((z - 0.75) / 0.3, 0, 1) * np.clip(x / 0.35, 0.25, 1)
    return (y - edge).astype(np.float32)


def measure_brow(rest: np.ndarray, height: float, arch: float, thickness: float) -> np.ndarray:
    """How deep inside a brow places are, 1 in its middle line and 0 at the edge; negative outside."""
    x, y = abs(rest[:, 0]), rest[:, 1]
    middle = np.interp(x, *BROW) + height + arch * (np.interp(x, (0.08, 0.37, 0.54), (-0.5, 1, 0.2)))
    half = thickness * np.interp(x, (0.07, 0.12, 0.38, 0.55), (0.6, 1, 0.8, 0.25))
    inside = 1 - abs(y - middle) / half
    return np.where((x > 0.075) & (x < 0.55) & (rest[:, 2] > 0.9), inside, -1).astype(np.float32)


def is_nose(rest: np.ndarray) -> np.ndarray:
    inside = abs(rest[:, 0]) < np.interp(rest[:, 1], *NOSE, left=0, right=0)
    return inside & (rest[:, 2] > 1.28)


def is_neck(rest: np.ndarray) -> np.ndarray:
    return rest[:, 1] < np.interp(rest[:, 2], *JAW)


def measure_beard(rest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How surely places carry cheek and jaw beard, a moustache and a goatee, each 0..1."""
    x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    front = _rise(z, 0.45, 0.6)
    cheek = np.interp(x, (0.0, 0.26, 0.34, 0.50, 0.62, 0.72), (6.46, 6.50, 6.70, 6.78, 6.85, 7.05))
    jaw = _rise(cheek - y, -0.02, 0.05) * _rise(y, 6.02, 6.14) * front
    lip = np.interp(x, (0, 0.12, 0.27, 0.34), (6.71, 6.71, 6.63, 6.50))
    top = np.interp(x, (0, 0.10, 0.22, 0.34), (6.80, 6.80, 6.76, 6.62))
    moustache = _rise(y - lip, 0.0, 0.02) * _rise(top - y, -0.01, 0.03) * (x < 0.36) * (z > 1.1)
    goatee = _rise(0.24 - x, 0, 0.06) * _rise(6.46 - y, -0.01, 0.03) * _rise(y, 6.02, 6.12) * (z > 0.9)
    return jaw.astype(np.float32), moustache.astype(np.float32), goatee.astype(np.float32)


def _rise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = ((values - low) / (high - low)).clip(0, 1)
    return share * share * (3 - 2 * share)
