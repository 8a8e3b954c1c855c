"""The models of InsightFace's packages on onnxruntime: SCRFD's detector, ArcFace's recogniser, the age model.

What insightface's own classes of the same formats do (github.com/deepinsight/insightface, python-package 2.1,
model_zoo/scrfd.py, arcface_onnx.py, attribute.py), with the names other packs use of them. Pictures are BGR uint8
[H, W, 3].
"""

import mmap
from pathlib import Path

import numpy as np

from .face import align_landmarks
from .resampling import resize, warp

OVERLAP = 0.4  # boxes of more common area are the same face
HEAD_SHARE = 1.5  # of a box that the age model sees
_OLD_FORM = (("Sub", "_minus"), ("Mul", "_mul"))  # how models exported by MXNet begin


class Detector:
    """Faces with box, score and, where the model gives them, five landmarks.

    static_input_size: (width, height) of a model that takes no other. det_thresh, input_size: may be set by anybody.
    """

    taskname = "detection"

    def __init__(self, path: Path, session):
        self.model_file, self.session = str(path), session
        shape = session.get_inputs()[0].shape
        fixed = len(shape) == 4 and all(isinstance(side, int) and side > 0 for side in shape[2:])
        self.static_input_size = (shape[3], shape[2]) if fixed else None
        self.input_size = self.static_input_size or (640, 640)
        self.det_thresh = 0.5
        count = len(session.get_outputs())
        self.strides, self.anchors = ((8, 16, 32), 2) if count in (6, 9) else ((8, 16, 32, 64, 128), 1)
        self.use_kps = count == 3 * len(self.strides)

    def prepare(self, _ctx_id: int = 0, input_size=None, det_thresh: float | None = None, **_options) -> None:
        self.input_size = self.static_input_size or input_size or self.input_size
        self.det_thresh = self.det_thresh if det_thresh is None else det_thresh

    def detect(self, img: np.ndarray, input_size=None, max_num: int = 0, metric: str = "default"):
        """Boxes with score [N, 5] and landmarks [N, 5, 2] or None, best first; max_num: only the largest."""
        width, height = self.static_input_size or input_size or self.input_size
        tall = img.shape[0] / img.shape[1] > height / width
        new_height = height if tall else max(1, int(width * (img.shape[0] / img.shape[1])))
        new_width = max(1, int(height / (img.shape[0] / img.shape[1]))) if tall else width
        canvas = np.zeros((height, width, 3), dtype=np.uint8)
        canvas[:new_height, :new_width] = resize(img, new_width, new_height)
        scale = new_height / img.shape[0]
        scores, boxes, landmarks = (np.concatenate(part) for part in self.forward(canvas, self.det_thresh))
        found = np.hstack([boxes / scale, scores]).astype(np.float32)
        order = np.argsort(-found[:, 4], kind="stable")
        order = order[_keep_apart(found[order])]
        if max_num:
            order = order[np.argsort(-_measure_area(found[order]), kind="stable")[:max_num]]
        return found[order], landmarks[order] / scale if self.use_kps else None

    def forward(self, img: np.ndarray, threshold: float):
        """Scores [n, 1], boxes [n, 4] and landmarks [n, 5, 2] of each stride, in pixels of the picture as it is."""
        answers = self.session.run(None, {self.session.get_inputs()[0].name: _to_input(img, 127.5, 128.0)})
        answers = [answer.reshape(-1, answer.shape[-1]) for answer in answers]
        found, levels = ([], [], []), len(self.strides)
        for level, stride in enumerate(self.strides):
            y, x = np.mgrid[: img.shape[0] // stride, : img.shape[1] // stride]
            centres = np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2) * stride, self.anchors, axis=0)
            centres = centres.astype(np.float32)
            sure = np.flatnonzero(answers[level][:, 0] >= threshold)
            offsets = answers[level + levels][sure] * stride
            corners = [centres[sure] - offsets[:, :2], centres[sure] + offsets[:, 2:]]
            points = np.zeros((len(sure), 5, 2), dtype=np.float32)
            if self.use_kps:
                points = answers[level + 2 * levels][sure].reshape(-1, 5, 2) * stride + centres[sure, None]
            for part, values in zip(found, (answers[level][sure], np.hstack(corners), points), strict=True):
                part.append(values)
        return found


class Recogniser:
    """A face to its embedding; input_size: (width, height) of the aligned crop."""

    taskname = "recognition"

    def __init__(self, path: Path, session):
        self.model_file, self.session = str(path), session
        self.input_shape = session.get_inputs()[0].shape
        self.input_size = tuple(self.input_shape[2:4][::-1])
        self.input_mean, self.input_std = (0.0, 1.0) if _is_of_mxnet(path) else (127.5, 127.5)

    def prepare(self, _ctx_id: int = 0, **_options) -> None:
        pass

    def get_feat(self, imgs) -> np.ndarray:
        """Embeddings [N, width] of one aligned crop or a list of them, of any length."""
        crops = imgs if isinstance(imgs, list) else [imgs]
        width, height = self.input_size
        crops = [crop if crop.shape[:2] == (height, width) else resize(crop, width, height) for crop in crops]
        batch = np.concatenate([_to_input(crop, self.input_mean, self.input_std) for crop in crops])
        return self.session.run(None, {self.session.get_inputs()[0].name: batch})[0]

    def get(self, img: np.ndarray, face) -> np.ndarray:
        """Gives the face its embedding."""
        face["embedding"] = self.get_feat(align_landmarks(img, face["kps"], self.input_size[0])).flatten()
        return face["embedding"]


class AgeModel:
    """A face's gender (1 for male) and age in years."""

    taskname = "genderage"

    def __init__(self, path: Path, session):
        self.model_file, self.session = str(path), session
        self.input_mean, self.input_std = (0.0, 1.0) if _is_of_mxnet(path) else (127.5, 128.0)
        self.input_size = tuple(session.get_inputs()[0].shape[2:4][::-1])

    def prepare(self, _ctx_id: int = 0, **_options) -> None:
        pass

    def get(self, img: np.ndarray, face) -> tuple[int, int]:
        """Gives the face its gender and age."""
        side, box = self.input_size[0], face["bbox"]
        scale = side / (max(box[2] - box[0], box[3] - box[1]) * HEAD_SHARE)
        shift = side / 2 - (box[:2] + box[2:4]) / 2 * scale
        crop = warp(img, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), side)
        batch = _to_input(crop, self.input_mean, self.input_std)
        answer = self.session.run(None, {self.session.get_inputs()[0].name: batch})[0][0]
        face["gender"], face["age"] = int(np.argmax(answer[:2])), round(float(answer[2]) * 100)
        return face["gender"], face["age"]


def tell_kind(session) -> type | None:
    """Which of the three a model is, by the shapes of what goes in and out; None for any other."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(outputs) in (6, 9, 10, 15):
        return Detector
    sides = tuple(inputs[0].shape[2:4])
    if len(inputs) > 1 or len(outputs) != 1 or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        return None
    if sides == (96, 96):
        return AgeModel if outputs[0].shape[-1] == 3 else None
    return Recogniser if sides[0] == sides[1] >= 112 and sides[0] % 16 == 0 and sides[0] != 192 else None


def _to_input(image: np.ndarray, mean: float, std: float) -> np.ndarray:
    """[1, 3, H, W] in RGB."""
    return np.ascontiguousarray(((image[..., ::-1].astype(np.float32) - mean) / std).transpose(2, 0, 1)[None])


def _measure_area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


def _keep_apart(boxes: np.ndarray) -> list[int]:
    """Numbers of the boxes, best first, that overlap no better one."""
    kept, rest, areas = [], np.arange(len(boxes)), _measure_area(boxes)
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:4], boxes[rest, 2:4])
        common = np.clip(high - low + 1, 0, None).prod(axis=1)
        rest = rest[common / (areas[best] + areas[rest] - common) <= OVERLAP]
    return kept


def _is_of_mxnet(path: Path) -> bool:
    """Whether the graph subtracts and multiplies first, by the names of its first eight nodes, as insightface tells."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graph = next((span for number, span in _list_fields(data, 0, len(data)) if number == 7), (0, 0))
        nodes = [span for number, span in _list_fields(data, *graph, most=8) if number == 1]
        names = [
            data[slice(*span)].decode(errors="replace")
            for node in nodes
            for number, span in _list_fields(data, *node)
            if number == 3
        ]
    return "bn_data" in names[:3] or all(any(name.startswith(begin) for name in names) for begin in _OLD_FORM)


def _list_fields(data, start: int, end: int, most: int | None = None):
    """(number, (start, end)) of the fields of a protobuf message that have a length; the first `most` of them."""
    found = 0
    while start < end and found != most:
        tag, start = _read_number(data, start)
        length, start = _read_number(data, start) if tag & 7 in (0, 2) else ({1: 8, 5: 4}[tag & 7], start)
        if tag & 7 == 2:
            yield tag >> 3, (start, start + length)
            found += 1
        start += length if tag & 7 else 0


def _read_number(data, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, start = data[start], start + 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, start
