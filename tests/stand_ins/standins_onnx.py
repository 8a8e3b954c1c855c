"""Tiny face detector and recogniser in InsightFace's ONNX formats.

The detector is a matched filter: normalised cross-correlation with one face, that of scikit-image's public-domain
astronaut, at three scales, one per stride. It finds her wherever she is pasted at (about) 0.625, 1.25 or 2.5 times
her size in the 512x512 photo, as the detector sees it, and nobody else.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PHOTO_SCALE = 1.25  # the 512x512 photo in the detector's 640x640 input
ANCHOR = (288, 144)  # x, y in that input: the stride-16 anchor nearest to the middle of her head
HALF = (12, 14)  # template half width and half height, in cells of half a stride

# Read off the photo: face box, then eyes, nose, mouth corners (x, y).
FACE_BOX = (178, 62, 272, 180)
LANDMARKS = ((203.5, 100.5), (246.5, 103.5), (224, 125), (205, 141), (243, 142))

MATCH = 0.72  # correlation at which the score is 0.5; other photos stay below 0.62, she above 0.78 at any shift
SHARPNESS = 30


def build_detector():
    """SCRFD's contract: input [1, 3, ?, ?]; for strides 8, 16, 32 the scores [2hw, 1], then the boxes [2hw, 4],
    then the landmarks [2hw, 10], in units of the stride from the anchor."""
    box = [(ANCHOR[i % 2] - FACE_BOX[i] * PHOTO_SCALE) / 16 * (1 if i < 2 else -1) for i in range(4)]
    points = [(v * PHOTO_SCALE - ANCHOR[i % 2]) / 16 for i, v in enumerate(np.ravel(LANDMARKS))]
    template = _template()
    constants = {
        "grey": np.full((1, 3, 1, 1), 1 / 3),
        "filters": np.stack([template, np.full_like(template, 1 / template.size)])[:, None],
        "mean": np.full((1, 1, *template.shape), 1 / template.size),
        "size": np.float64(template.size),
        "floor": np.float64(1e-4 * template.size),
        "match": np.float64(MATCH),
        "sharpness": np.float64(SHARPNESS),
        "zero": np.float64(0),
        "box": np.array([box]),
        "points": np.array([points]),
    }
    nodes = [helper.make_node("Conv", ["input", "grey"], ["light"])]
    for stride in (8, 16, 32):
        nodes += _level(stride)
    outputs = [(f"{part}_{s}", [None, n]) for part, n in (("score", 1), ("bbox", 4), ("kps", 10)) for s in (8, 16, 32)]
    shapes = {"column": np.array([-1, 1]), "split": np.array([1, 1])}
    return _model("detector", nodes, ("input", [1, 3, "height", "width"]), outputs, constants, shapes)


def build_recogniser():
    """ArcFace's contract: input [batch, 3, 112, 112] -> [batch, 512]; a random projection of a 16x16 average."""
    weight = np.random.default_rng(0).standard_normal((3 * 16 * 16, 512)) / 16
    nodes = [
        helper.make_node("AveragePool", ["input"], ["cells"], kernel_shape=[7, 7], strides=[7, 7]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["embedding"]),
    ]
    source = ("input", ["batch", 3, 112, 112])
    return _model("recogniser", nodes, source, [("embedding", ["batch", 512])], {"weight": weight}, {})


def _template():
    """Her head on the stride-16 level's cells: zero mean, unit norm, [28, 24]."""
    from PIL import Image
    from skimage.data import astronaut

    photo = Image.fromarray(astronaut()).resize((640, 640), Image.Resampling.BILINEAR)
    cells = np.asarray(photo, dtype=np.float64).mean(axis=2).reshape(80, 8, 80, 8).mean(axis=(1, 3))
    x, y = ANCHOR[0] // 8, ANCHOR[1] // 8
    head = cells[y - HALF[1] : y + HALF[1], x - HALF[0] : x + HALF[0]]
    head = head - head.mean()
    return head / np.linalg.norm(head)


def _level(stride):
    """Correlation at one stride, then score, box and landmarks for its two anchors per place."""

    def name(text):
        return f"{text}_{stride}"

    def node(kind, inputs, output, **attributes):
        return helper.make_node(kind, inputs, [name(output)], **attributes)

    cell = stride // 2
    window = {"strides": [2, 2], "pads": [HALF[1], HALF[0], HALF[1] - 2, HALF[0] - 2]}
    return [
        node("AveragePool", ["light"], "cells", kernel_shape=[cell, cell], strides=[cell, cell]),
        node("Conv", [name("cells"), "filters"], "sums", **window),
        helper.make_node("Split", [name("sums"), "split"], [name("product"), name("average")], axis=1),
        node("Mul", [name("cells"), name("cells")], "squares"),
        node("Conv", [name("squares"), "mean"], "power", **window),
        node("Mul", [name("average"), name("average")], "average_squared"),
        node("Sub", [name("power"), name("average_squared")], "variance"),
        node("Mul", [name("variance"), "size"], "energy"),
        node("Max", [name("energy"), "floor"], "safe_energy"),
        node("Sqrt", [name("safe_energy")], "norm"),
        node("Div", [name("product"), name("norm")], "correlation"),
        node("Sub", [name("correlation"), "match"], "margin"),
        node("Mul", [name("margin"), "sharpness"], "logit"),
        node("Sigmoid", [name("logit")], "probability"),
        node("Reshape", [name("probability"), "column"], "places"),
        node("Concat", [name("places"), name("places")], "anchors", axis=1),
        node("Reshape", [name("anchors"), "column"], "score"),
        node("Mul", [name("score"), "zero"], "zeros"),
        node("Add", [name("zeros"), "box"], "bbox"),
        node("Add", [name("zeros"), "points"], "kps"),
    ]


def _model(title, nodes, source, outputs, floats, integers):
    constants = [numpy_helper.from_array(np.asarray(v, dtype=np.float32), k) for k, v in floats.items()]
    constants += [numpy_helper.from_array(np.asarray(v, dtype=np.int64), k) for k, v in integers.items()]
    graph = helper.make_graph(
        nodes,
        f"standin_{title}",
        [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model
