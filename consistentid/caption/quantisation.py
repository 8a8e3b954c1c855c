"""Loading a captioner in 8 or 4 bits per weight with bitsandbytes: whether it can be done, how, and its size."""

import importlib
from math import prod
from pathlib import Path

import torch

from ..errors import ConsistentIDError
from ..packages import needed

PRECISIONS = ("full", "8-bit", "4-bit")
# Bytes per weight on the device: embeddings and norms stay in 16 bits, and blocks of weights share scales.
_BYTES = {"8-bit": 1.1, "4-bit": 0.65}


def check_precision(precision: str, device: torch.device | str) -> None:
    """MissingPackageError or ConsistentIDError when a captioner cannot be loaded like this."""
    if precision not in PRECISIONS:
        raise ConsistentIDError(f"Unknown precision '{precision}' for a captioner; choose {', '.join(PRECISIONS)}.")
    if precision == "full":
        return
    device = torch.device(device)
    if device.type != "cuda":
        raise ConsistentIDError(
            f"A {precision} captioner needs a CUDA device, but this one is '{device}'. Choose the precision 'full'."
        )
    for package in ("bitsandbytes", "accelerate"):
        with needed(package, f"A {precision} captioner"):
            importlib.import_module(package)


def build_options(precision: str, dtype: torch.dtype, device: torch.device | str) -> dict:
    """What transformers' from_pretrained needs to load in this precision, beside the dtype; nothing for "full"."""
    from transformers import BitsAndBytesConfig

    if precision == "8-bit":
        config = BitsAndBytesConfig(load_in_8bit=True)
    elif precision == "4-bit":
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    else:
        return {}
    return {"quantization_config": config, "device_map": {"": torch.device(device)}}


def is_quantised(folder: str | Path) -> bool:
    """Whether a folder in transformers' format holds weights that were quantised before they were saved."""
    return b'"quantization_config"' in (Path(folder) / "config.json").read_bytes()


def estimate_size(folder: str | Path, precision: str) -> int:
    """Bytes that the weights in a folder take on the device in 8 or 4 bits; only file headers are read."""
    from safetensors import safe_open

    files = list(Path(folder).glob("model*.safetensors"))
    if is_quantised(folder):  # packed: their shapes do not tell how many weights there are
        return sum(path.stat().st_size for path in files)
    weights = 0
    for path in files:
        with safe_open(path, "pt") as file:
            weights += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    return round(weights * _BYTES[precision])
