"""Seeded tensors, and model files that appear only when they are complete."""

import json
import math
import os
import secrets
import zlib
from contextlib import contextmanager
from pathlib import Path

import torch

# First match on the end of the key: (mean, spread) of a tensor with fewer than two dimensions.
VECTOR_RULES = (("running_var", 1, 0.02), ("weight", 1, 0.1), ("", 0, 0.1))


def fill(key, shape, dtype=torch.float16):
    """Seeded values for one tensor: normal / sqrt(fan in); norm weights near 1, biases near 0."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    values = torch.randn(tuple(shape), generator=generator)
    if len(shape) >= 2:
        return values.div_(math.sqrt(math.prod(shape[1:]))).to(dtype)
    mean, spread = next((m, s) for end, m, s in VECTOR_RULES if key.endswith(end))
    return (mean + spread * values).to(dtype)


@contextmanager
def waiting(folder):
    """Other processes that make stand-ins for this folder wait until the block ends."""
    from filelock import FileLock

    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        yield


@contextmanager
def replacing(path):
    """A neighbouring path to write to; it takes the place of `path` only when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")  # process numbers repeat in containers
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_torch(path, content):
    with replacing(path) as part:
        torch.save(content, part)


def write_safetensors(path, shapes, constants=None):
    """Stream fp16 tensors into a safetensors file, so that memory stays at one tensor.

    shapes: {key: shape}; constants: {key: the one value it is filled with, instead of seeded ones}.
    """
    header, end, constants = {"__metadata__": {"format": "pt"}}, 0, constants or {}
    for key, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[key] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as part, open(part, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for key, shape in shapes.items():
            constant = constants.get(key)
            tensor = fill(key, shape) if constant is None else torch.full(shape, constant, dtype=torch.float16)
            file.write(tensor.numpy().tobytes())
