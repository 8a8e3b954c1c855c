"""Reading `.safetensors` into memory of our own.

The format's own library maps the file instead: whoever then writes over it, with `cp` for one, ends the whole process
with SIGBUS, and on Windows nobody can replace it while a tensor lives. Source of the format:
https://github.com/huggingface/safetensors#format
"""

import math
from io import FileIO
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from .checked import parse_json

METADATA = "__metadata__"
_LONGEST_HEADER = 100 << 20
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def is_safetensors(head: bytes) -> bool:
    """Whether the first nine bytes of a file or more are those of this format."""
    return 0 < int.from_bytes(head[:8], "little") <= _LONGEST_HEADER and head[8:9] == b"{"


def read_header(file: BinaryIO) -> dict:
    """What the file says of its tensors, and its metadata under METADATA; the file then stands at the first tensor.

    ValueError where it is truncated, or no JSON, or its metadata is other than text.
    """
    size = int.from_bytes(file.read(8), "little")
    header = parse_json(file.read(size))
    metadata = header.get(METADATA) or {}
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata is not text")
    return header


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, each in memory of its own; no more than the file's size is taken.

    ValueError for a header that does not describe the rest of the file, byte by byte; also where the file becomes
    shorter meanwhile.
    """
    with path.open("rb", buffering=0) as file:
        entries = _read_entries(file)
        end = path.stat().st_size - file.tell()
        at, tensors = 0, {}
        for name, dtype, shape, (start, stop) in sorted(entries, key=lambda entry: entry[3]):
            if start != at or stop - start != math.prod(shape) * dtype.itemsize or stop > end:
                raise ValueError(f"tensor '{name:.200}' does not lie where the header says")
            tensors[name] = _read_bytes(file, stop - start).view(dtype).reshape(shape)
            at = stop
        if at != end:
            raise ValueError(f"it has {end:,} bytes of tensors instead of {at:,}")
    return tensors


def _read_entries(file: BinaryIO) -> list[tuple[str, torch.dtype, list[int], tuple[int, int]]]:
    """(name, type, shape, (first byte, end)) of each tensor."""
    entries = []
    for name, entry in read_header(file).items():
        if name == METADATA:
            continue
        try:
            dtype, shape, span = getattr(torch, _TYPES[entry["dtype"]]), entry["shape"], tuple(entry["data_offsets"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its header describes tensor '{name:.200}' as {entry!r:.200}") from error
        if len(span) != 2 or not all(type(number) is int and number >= 0 for number in (*shape, *span)):
            raise ValueError(f"its header describes tensor '{name:.200}' as {entry!r:.200}")
        entries.append((name, dtype, shape, span))
    return entries


def _read_bytes(file: FileIO, size: int) -> Tensor:
    content = torch.empty(size, dtype=torch.uint8)
    room = content.numpy().data
    while room.nbytes:
        count = file.readinto(room)
        if not count:
            raise ValueError("the file became shorter while it was read")
        room = room[count:]
    return content
