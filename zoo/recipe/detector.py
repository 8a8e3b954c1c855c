"""The face detector of the zoo: what its anchors learn."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .canvases import Canvas, compose_canvas
from .fit import fit, move_to_device
from .onnx_file import write_onnx
from .pictures import Mixture, Pictures
from .scrfd import STRIDES, VALUES, Scrfd, place_anchors

BATCHES = {160: 32, 320: 12, 640: 3}
"""Sides in pixels that InsightFace gives a detector, and canvases at a time."""
SHARES = (0.2, 0.4, 0.4)
NEAR, AROUND = 0.2, 0.3
"""How far from the middle of a face, in its sides, an anchor may be to find it, and to be asked nothing."""
ALIKE, SIMILAR = 0.6, 0.75
"""The same for the side of an anchor against that of the face, in octaves."""
BACKGROUND, UNASKED = -1, -2


def train_detector(pictures: Pictures | Mixture, steps: int, curves: Path, seed: int = 0) -> Scrfd:
    """A detector of drawn faces."""
    torch.manual_seed(seed)
    detector = move_to_device(Scrfd())

    def sample(rng: np.random.Generator) -> tuple[np.ndarray, list[Canvas]]:
        side = int(rng.choice(list(BATCHES), p=SHARES))
        canvases = [compose_canvas(pictures, side, rng) for _ in range(BATCHES[side])]
        return np.stack([canvas.image for canvas in canvases]), canvases

    def measure_loss(images: Tensor, canvases: list[Canvas]) -> Tensor:
        return measure_detection(detector(normalise_canvases(images)), canvases)

    return fit("detector", detector, sample, measure_loss, steps, 3e-3, seed, curves, weight_decay=0.02).cpu()


def normalise_canvases(images: Tensor) -> Tensor:
    """RGB uint8 [B, S, S, 3] -> what InsightFace gives the network, [B, 3, S, S]."""
    return images.permute(0, 3, 1, 2).float().sub(127.5).div(128)


def write_detector(detector: Scrfd, path: Path) -> None:
    """As an ONNX file that InsightFace takes for SCRFD, for pictures of any sides that are divisible by 32."""
    outputs = [f"{name}_{stride}" for name in VALUES for stride in STRIDES]
    axes = {"input": {2: "height", 3: "width"}} | {name: {1: f"anchors_{name}"} for name in outputs}
    write_onnx(detector, torch.zeros(1, 3, 64, 64), Path(path), outputs, axes)


def measure_detection(answers: tuple[Tensor, ...], canvases: list[Canvas]) -> Tensor:
    """The loss of Scrfd's nine answers: quality focal loss of the scores, overlap of boxes, distance of landmarks."""
    from torchvision.ops import box_iou, generalized_box_iou_loss

    places, sides, boxes, landmarks = _place_answers(answers, len(canvases[0].image))
    scores = torch.cat(answers[:3], dim=1)[..., 0]
    targets, asked = torch.zeros_like(scores), torch.ones_like(scores)
    losses, found = scores.new_zeros(()), 0
    for number, canvas in enumerate(canvases):
        owners = assign_anchors(canvas, places, sides)
        asked[number, owners == UNASKED] = 0
        for face, (box, points) in enumerate(zip(canvas.boxes, canvas.landmarks, strict=True)):
            mine = owners == face
            box, points = (torch.from_numpy(truth).to(scores) for truth in (box, points))
            side = (box[2:] - box[:2]).prod().sqrt()
            guesses = boxes[number, mine]
            targets[number, mine] = box_iou(guesses.detach(), box[None])[:, 0].clamp(0, 1)
            losses = losses + generalized_box_iou_loss(guesses, box.expand_as(guesses), reduction="sum")
            misses = (landmarks[number, mine] - points) / side
            losses = losses + 8 * F.smooth_l1_loss(misses, torch.zeros_like(misses), beta=0.02, reduction="sum") / 10
            found += int(mine.sum())
    return (_measure_scores(scores, targets, asked) + losses) / max(found, 1)


def assign_anchors(canvas: Canvas, places: Tensor, sides: Tensor) -> Tensor:
    """For each anchor [N] the number of the face it is to find, BACKGROUND or UNASKED."""
    owners = torch.full((len(sides),), BACKGROUND, device=sides.device)
    for face, box in enumerate(canvas.boxes):
        box = torch.from_numpy(box).to(places)
        side = (box[2:] - box[:2]).prod().sqrt()
        away = (places - (box[:2] + box[2:]) / 2).abs().amax(dim=1)
        octaves = torch.log2(sides / side.clamp(sides.min(), sides.max())).abs()
        # The nearest place counts for a face that is small for its grid.
        mine = (away <= torch.maximum(NEAR * side, sides / 4)) & (octaves <= ALIKE)
        owners[(away <= torch.maximum(AROUND * side, sides / 4)) & (octaves <= SIMILAR) & (owners < 0)] = UNASKED
        owners[mine] = face
    return owners


def _place_answers(answers: tuple[Tensor, ...], side_px: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Places and sides of the anchors, and their boxes [B, N, 4] and landmarks [B, N, 5, 2]; all in pixels."""
    places, sides = (tensor.to(answers[0].device) for tensor in place_anchors(side_px))
    strides = torch.cat([torch.full_like(part[0], stride) for part, stride in zip(answers[:3], STRIDES, strict=True)])
    boxes, landmarks = (torch.cat(part, dim=1) * strides for part in (answers[3:6], answers[6:9]))
    boxes = places.repeat(1, 2) + boxes * boxes.new_tensor((-1, -1, 1, 1))
    return places, sides, boxes, places[:, None] + landmarks.unflatten(2, (5, 2))


def _measure_scores(scores: Tensor, targets: Tensor, asked: Tensor) -> Tensor:
    """Quality focal loss: cross-entropy with the overlap as target, where the score is far from it."""
    scores = scores.clamp(1e-6, 1 - 1e-6)
    entropy = -(targets * scores.log() + (1 - targets) * (1 - scores).log())
    return (asked * (targets - scores).abs().square() * entropy).sum()
