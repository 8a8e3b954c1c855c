"""A quick judge: ridge regression from the small image encoder's tokens to the traits, fitted in minutes.

For a first look where no judge is trained. It is less often right than the judge, and shares its encoder with the
adapter, so it is no independent witness.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from consistentid.adapter.config import ZOO
from consistentid.face.regions import preprocess_clip
from consistentid.headless.clip_vision import ClipVision, load_clip_vision
from consistentid.weights import read_weights, write_weights
from zoo.drawn_faces import choose_scene, draw_portrait, sample_person

from .judge import CLASSES, SIDE_PX
from .traits import HIDDEN, measure_accuracy, read_traits

PEOPLE, TESTED = 1000, 150
RIDGE = 2000.0
SCENES = 8


class Probe:
    """Scores of each trait, in the form of Judge.judge."""

    def __init__(self, encoder: ClipVision, weights: dict[str, Tensor]):
        self.encoder, self.weights = encoder, weights

    def judge(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """RGB uint8 [N, H, W, 3] -> {trait: scores [N, classes]}."""
        rows = (_read(self.encoder, images) - self.weights["mean"]) / self.weights["deviation"]
        return {name: (rows @ self.weights[f"{name}.w"] + self.weights[f"{name}.b"]).numpy() for name in CLASSES}


def load_probe(image_encoder: Path, path: Path) -> Probe:
    """The probe of an image encoder, fitted to `path` if it is not there."""
    encoder = ClipVision(load_clip_vision(image_encoder, ZOO))
    if not path.exists():
        write_weights(path, fit_probe(encoder), {})
    return Probe(encoder, read_weights(path))


def fit_probe(encoder: ClipVision) -> dict[str, Tensor]:
    """Fitted to people of training, drawn at the size of the judge and blurred as generated pictures are."""
    rng = np.random.default_rng(0)
    shown = [(sample_person(seed), choose_scene(seed, SCENES, seed % SCENES)) for seed in range(PEOPLE)]
    images = [cv2.GaussianBlur(draw_portrait(*one, SIDE_PX).image, (0, 0), rng.uniform(0.3, 1.1)) for one in shown]
    targets = torch.from_numpy(np.stack([read_traits(*one) for one in shown]))
    rows = _read(encoder, images)
    mean, deviation = rows.mean(0), rows.std(0) + 1e-5
    rows = (rows - mean) / deviation
    weights, told = {"mean": mean, "deviation": deviation}, []
    for (name, classes), wanted in zip(CLASSES.items(), targets.T, strict=True):
        w, b = _solve(rows[:-TESTED], wanted[:-TESTED], len(classes))
        told.append((rows[-TESTED:] @ w + b).numpy())
        weights[f"{name}.w"], weights[f"{name}.b"] = _solve(rows, wanted, len(classes))
    accuracy = measure_accuracy(told, targets[-TESTED:].numpy())
    print("Probe:", ", ".join(f"{name} {share:.2f}" for name, share in accuracy.items()))
    return weights


def _solve(rows: Tensor, wanted: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    shown = wanted != HIDDEN
    rows, targets = rows[shown].double(), F.one_hot(wanted[shown], classes).double()
    mean = targets.mean(0)
    gram = rows @ rows.T + RIDGE * torch.eye(len(rows), dtype=torch.float64)
    return (rows.T @ torch.linalg.solve(gram, targets - mean)).float(), mean.float()


@torch.inference_mode()
def _read(encoder: ClipVision, images: Sequence[np.ndarray] | np.ndarray, batch: int = 32) -> Tensor:
    """Penultimate tokens pooled to 4 x 4 places, their mean and maximum: [N, 18 * width]."""
    rows = []
    for start in range(0, len(images), batch):
        pixels = torch.from_numpy(np.stack([preprocess_clip(image) for image in images[start : start + batch]]))
        tokens = encoder.encode_pixels(pixels)[:, 1:].mT
        grid = F.adaptive_avg_pool2d(tokens.unflatten(2, (int(tokens.shape[2] ** 0.5), -1)), 4).flatten(1)
        rows.append(torch.cat([grid, tokens.amax(2), tokens.mean(2)], 1))
    return torch.cat(rows)
