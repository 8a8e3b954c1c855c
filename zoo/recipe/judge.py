"""The judge: a small network that tells the traits of a generated picture, the measure of how a prompt is obeyed."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from consistentid.errors import CheckpointError
from consistentid.weights import load_strictly, read_metadata, read_weights, write_weights

from .augmentation import augment, random_affine
from .blocks import Residual, convolve
from .fit import fit, move_to_device
from .pictures import Pictures
from .traits import TRAITS, TraitHead, measure_accuracy, measure_trait_loss, read_all_traits

SIDE_PX = 128
GRID = 16
WIDTHS = (32, 64, 128)
BATCH = 64
SMALLEST_PX = 80
CLASSES = {trait.name: list(trait.classes) for trait in TRAITS}


class Judge(nn.Module):
    """Pictures [N, 3, 128, 128] in -1..1 -> logits [N, classes] of each trait."""

    def __init__(self):
        super().__init__()
        first, second, third = WIDTHS
        self.trunk = nn.Sequential(
            convolve(3, first, 5, 2),
            convolve(first, second, 3, 2),
            Residual(second),
            convolve(second, third, 3, 2),
            Residual(third),
            Residual(third),
        )
        self.place = nn.Parameter(torch.randn(GRID * GRID, third) * 0.02)
        self.head = TraitHead(third)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return self.head(self.trunk(pixels).flatten(2).mT + self.place)

    @torch.inference_mode()
    def judge(self, images: np.ndarray, batch: int = 64) -> dict[str, np.ndarray]:
        """RGB uint8 [N, 128, 128, 3] -> {trait: probabilities float32 [N, classes]}; classes as in CLASSES."""
        parts = []
        for start in range(0, len(images), batch):
            pixels = _prepare(torch.from_numpy(np.ascontiguousarray(images[start : start + batch])))
            parts.append([logits.softmax(dim=1).cpu().numpy() for logits in self(pixels.to(self.place.device))])
        return dict(zip(CLASSES, map(np.concatenate, zip(*parts, strict=True)), strict=True))


def train_judge(pictures: Pictures, steps: int, curves: Path, seed: int = 0) -> Judge:
    """Trained on augmented pictures: generated ones are less sharp and clean than drawn ones."""
    torch.manual_seed(seed)
    judge = move_to_device(Judge())
    targets = read_all_traits(pictures)

    def sample(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        samples = zip(*(_make_sample(pictures, targets, rng) for _ in range(BATCH)), strict=True)
        return tuple(map(np.concatenate, samples))

    def measure_loss(images: Tensor, wanted: Tensor) -> Tensor:
        return measure_trait_loss(judge(_prepare(images)), wanted)

    fit("judge", judge, sample, measure_loss, steps, 2e-3, seed, curves, weight_decay=0.02)
    return judge


def write_judge(judge: Judge, path: Path) -> None:
    """Weights in float32, and the classes they tell, as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_weights(path, judge.state_dict(), {"classes": json.dumps(CLASSES)})


def load_judge(path: Path) -> Judge:
    """Raises CheckpointError for a judge of other classes."""
    if json.loads(read_metadata(path).get("classes", "{}")) != CLASSES:
        raise CheckpointError(f"{path} tells other traits than zoo/recipe/traits.py names. Train the judge again.")
    with torch.device("meta"):
        judge = Judge()
    load_strictly(judge, read_weights(path), str(path))
    return judge


def measure_judge(judge: Judge, pictures: Pictures) -> dict[str, float]:
    """Accuracy by trait of pictures at 128 px."""
    import cv2

    images = [cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for image in pictures.images]
    return measure_accuracy(list(judge.judge(np.stack(images)).values()), read_all_traits(pictures))


def _make_sample(pictures: Pictures, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    row = pictures.choose(rng)
    side_px = int(rng.integers(SMALLEST_PX, SIDE_PX + 1)) if rng.random() < 0.5 else SIDE_PX
    image, _ = random_affine(pictures.images[row], pictures.labels[row], side_px, rng)
    image = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return augment(image, rng)[None], targets[row][None]


def _prepare(images: Tensor) -> Tensor:
    """uint8 [N, 128, 128, 3] -> float32 [N, 3, 128, 128] in -1..1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
