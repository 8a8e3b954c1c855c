"""Smooth noise in space, and pictures with the statistics of nature."""

from functools import cache

import numpy as np

SIDE = 96


@cache
def _make_volume() -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(11).standard_normal((SIDE, SIDE, SIDE)).astype(np.float32)
    smooth = gaussian_filter(white, 2.0, mode="wrap")
    return smooth / smooth.std()


def look_up(places: np.ndarray, frequency: float, offset: float = 0.0) -> np.ndarray:
    """Noise of mean 0 and deviation 1 at places [N, 3], with `frequency` bumps a unit."""
    cells = (places * np.float32(frequency * 6) + np.float32(offset * 37.7)).astype(np.int32) % SIDE
    return _make_volume()[cells[:, 0], cells[:, 1], cells[:, 2]]


def draw_clouds(rng: np.random.Generator, side: int, steepness: float) -> np.ndarray:
    """Noise [S, S] with power falling with frequency, mean 0 and deviation 1; 1 is as in photographs."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    frequency[0, 0] = 1
    spectrum = rng.standard_normal(frequency.shape) + 1j * rng.standard_normal(frequency.shape)
    spectrum /= frequency**steepness
    spectrum[0, 0] = 0
    clouds = np.fft.irfft2(spectrum, (side, side))
    return (clouds / clouds.std()).astype(np.float32)
