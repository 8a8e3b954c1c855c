"""Light is added up in linear colours; pictures are in sRGB."""

import numpy as np


def decode(colour) -> np.ndarray:
    """sRGB 0..255 -> linear 0..1."""
    values = np.asarray(colour, dtype=np.float32) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode(light: np.ndarray) -> np.ndarray:
    """Linear -> sRGB uint8, with a soft shoulder for highlights."""
    light = light.clip(0, None)
    light = np.where(light > 0.6, 0.6 + 0.4 * (1 - np.exp(-(light - 0.6) / 0.4)), light)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)
