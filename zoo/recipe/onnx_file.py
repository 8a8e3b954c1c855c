"""ONNX files in InsightFace's form: one file, weights in float16, computed in float32."""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from consistentid.whole_file import replace_file

SMALLEST_HALF = 64
"""Tensors with fewer values stay in float32: they are shapes, scales and biases."""


def write_onnx(model: nn.Module, example: Tensor, path: Path, outputs: list[str], axes: dict[str, dict[int, str]]):
    """Write `model` for inputs like `example` [B, 3, H, W]; axes: names of those that may vary, of input or outputs."""
    import onnx

    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as part:
        with warnings.catch_warnings():
            # The exporter that this one is to give way to needs one more package, and gains nothing here.
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                model.eval(), (example,), str(part), input_names=["input"], output_names=outputs, dynamic_axes=axes,
                opset_version=17, dynamo=False,
            )  # fmt: skip
        proto = onnx.load(part)
        _store_half(proto.graph)
        onnx.checker.check_model(proto)
        onnx.save(proto, part)


def _store_half(graph) -> None:
    """Keep large weights in float16, each behind a cast that the runtime folds away when it loads the file."""
    from onnx import TensorProto, helper, numpy_helper

    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALLEST_HALF:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        graph.node.insert(0, helper.make_node("Cast", [f"{name}_half"], [name], f"Cast_{name}", to=TensorProto.FLOAT))
