"""Small changes to the stand-in face package: what real packages also have, or do."""

from pathlib import Path

import numpy as np


def write_genderage(path: Path, female: float, male: float, age: float) -> None:
    """InsightFace's format: picture [N, 3, 96, 96] -> female and male score, age / 100; the same for everybody."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    answer = np.array([[female, male, age]], dtype=np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["colours"]),
        helper.make_node("Flatten", ["colours"], ["flat"]),
        helper.make_node("MatMul", ["flat", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "answer"], ["fc1"]),
    ]
    graph = helper.make_graph(
        nodes,
        "standin_genderage",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["batch", 3, 96, 96])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(answer, "answer"),
            numpy_helper.from_array(np.zeros((3, 3), dtype=np.float32), "nothing"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def make_near_sighted(detector: Path, fixed_px: int | None = None) -> None:
    """Have the stand-in detector see her only at 0.625 times her size in the 512x512 portrait, as it gets it.

    So every retry has a photo that needs it. fixed_px: it takes pictures of this size only, as exported detectors may.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(detector)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2), "never"))  # a correlation is at most 1
    for node in model.graph.node:
        if node.output[0] in ("margin_16", "margin_32"):
            node.input[1] = "never"
    if fixed_px:
        for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            dimension.dim_value = fixed_px
    onnx.save(model, detector)
