"""Golden numbers and the rule that rebuilds the weights and inputs they belong to (see README.md)."""

import json
import math
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

FOLDER = Path(__file__).parent

# Absolute tolerances in float32. Measured floors (float32 against float64, and one thread against two) are in
# cases.json: modules 5e-6, UNets 1.2e-5, ten denoising steps 4e-4.
MODULE = 2e-5
UNET = 1e-4
DENOISE = 2e-3


@cache
def read_json(name: str):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def read_case(name: str) -> dict:
    return read_json("cases.json")["cases"][name]


@cache
def read_tensors(name: str) -> dict[str, torch.Tensor]:
    return load_file(FOLDER / name)


@cache
def read_arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / name) as arrays:
        return dict(arrays)


def make_input(name: str, shape) -> torch.Tensor:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def make_weight(key: str, shape) -> torch.Tensor:
    """The weight named `key` (prefix included)."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    x = rng.standard_normal(tuple(shape), dtype=np.float32)
    if len(shape) >= 2:
        x = x / math.sqrt(math.prod(shape[1:]))
    elif key.endswith("num_batches_tracked"):
        x = np.zeros((), dtype=np.int64)
    elif key.endswith("running_var"):
        x = 1 + 0.1 * np.abs(x)
    elif key.endswith("running_mean") or not key.endswith("weight"):
        x = 0.1 * x
    else:
        x = 1 + 0.1 * x
    return torch.from_numpy(np.asarray(x))


def make_weights(name: str, prefix: str = "") -> dict[str, torch.Tensor]:
    """All weights listed under `name` in weight_keys.json; keys there carry their prefix already if they have one."""
    return {key: make_weight(prefix + key, shape) for key, shape in read_json("weight_keys.json")[name]}


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest absolute difference; shapes must be equal."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a.float() - b.float()).abs().max()) if a.numel() else 0.0
