"""Files of a UNet in the formats that people download, and the weights a host has to compute with after reading them.

Each writer takes weights {ComfyUI's name: tensor} and gives out the weights as they are when unpacked, float32.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

FP8 = torch.float8_e4m3fn
Weights = dict[str, Tensor]


def write_gguf(path: Path, weights: Weights, kind: str) -> Weights:
    """As ComfyUI-GGUF's tools do: large weights in blocks, in rows of 256 where their own do not fill blocks."""
    import gguf

    writer = gguf.GGUFWriter(path, "sd1")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    unpacked = {}
    for name, tensor in weights.items():
        values = tensor.float().numpy()
        is_small = values.ndim == 1 or values.size <= 1024
        quantised = gguf.GGMLQuantizationType["F32" if is_small else kind]
        if not is_small and values.size % 256 == 0 and values.shape[-1] % 256:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", values.shape)
            values = values.reshape(-1, 256)
        if values.shape[-1] % 32 and not is_small:
            quantised = gguf.GGMLQuantizationType.F16
        blocks = gguf.quants.quantize(values, quantised)
        writer.add_tensor(name, blocks, raw_dtype=quantised)
        unpacked[name] = torch.from_numpy(gguf.quants.dequantize(blocks, quantised)).reshape(tensor.shape).float()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return unpacked


def write_fp8(path: Path, weights: Weights) -> Weights:
    """Everything in eight bits, as checkpoints "fp8_e4m3fn" are."""
    packed = {name: tensor.to(FP8) for name, tensor in weights.items()}
    save_file(packed, path)
    return {name: tensor.float() for name, tensor in packed.items()}


def write_scaled_fp8(path: Path, weights: Weights) -> Weights:
    """Layers in eight bits with a scale for each, as files "fp8_scaled" are."""
    packed, unpacked = {"scaled_fp8": torch.empty(2, dtype=FP8)}, {}
    for name, tensor in weights.items():
        packed[name], unpacked[name] = tensor, tensor.float()
        if tensor.ndim == 2:
            scale = tensor.float().abs().max() / torch.finfo(FP8).max
            packed[name] = (tensor.float() / scale).to(FP8)
            packed[name.replace(".weight", ".scale_weight")] = scale
            unpacked[name] = packed[name].float() * scale
    save_file(packed, path)
    return unpacked


def write_layers(path: Path, weights: Weights, kind: str) -> Weights:
    """Layers in a format of newer hosts' own ("nvfp4", ...), each told in a tensor beside it.

    What tells the host which model it is stays as it is: it reads the width of the text from the first of these.
    """
    from comfy.quant_ops import QUANT_ALGOS, QuantizedTensor

    packed, unpacked = {}, {}
    plain = next(name for name in weights if name.endswith("attn2.to_k.weight"))
    for name, tensor in weights.items():
        packed[name], unpacked[name] = tensor, tensor.float()
        if name.endswith((".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight")) and name != plain:
            layer = name.removesuffix(".weight")
            scale = {} if kind == "mxfp8" else {"scale": "recalculate"}
            quantised = QuantizedTensor.from_float(tensor.float(), QUANT_ALGOS[kind]["comfy_tensor_layout"], **scale)
            told = json.dumps({"format": kind}).encode()
            packed[f"{layer}.comfy_quant"] = torch.tensor(list(told), dtype=torch.uint8)
            packed |= quantised.state_dict(name)
            unpacked[name] = quantised.dequantize().float()
    save_file({name: tensor.contiguous() for name, tensor in packed.items()}, path)
    return unpacked
