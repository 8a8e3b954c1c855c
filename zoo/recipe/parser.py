"""The face parser of the zoo: BiSeNet at a fifth of its width, trained on exact label maps."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from consistentid.face.parsing import IMAGENET_MEAN, IMAGENET_STD, BiSeNet
from consistentid.weights import write_weights

from .augmentation import augment, downscale
from .fit import fit, move_to_device
from .pictures import SIDE_PX, Mixture, Pictures

WIDTH = 12
"""Channels of the first convolution; 64 in the released weights."""
BATCH = 12
SURE = 0.7
LEAST = 16
"""Pixels that are told with this probability teach nothing, but one pixel in LEAST always does."""


def train_parser(pictures: Pictures | Mixture, steps: int, curves: Path, seed: int = 0) -> BiSeNet:
    """A parser of drawn faces at 256 px."""
    torch.manual_seed(seed)
    parser = move_to_device(BiSeNet(width=WIDTH))

    def sample(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        rows = pictures.choose_rows(rng, BATCH)
        return tuple(map(np.stack, zip(*(_augment_picture(pictures, row, rng) for row in rows), strict=True)))

    def measure_loss(images: Tensor, labels: Tensor) -> Tensor:
        answers = parser(normalise_pictures(images))
        first, *others = (_measure_hard(logits, labels.long()) for logits in answers)
        return sum(others, start=first)

    return fit("parser", parser, sample, measure_loss, steps, 2e-3, seed, curves, weight_decay=0.02).cpu()


def normalise_pictures(images: Tensor) -> Tensor:
    """RGB uint8 [B, S, S, 3] -> what BiSeNet gets, [B, 3, S, S]."""
    mean, std = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images.permute(0, 3, 1, 2).float() / 255 - mean) / std


def write_parser(parser: BiSeNet, path: Path) -> None:
    """As safetensors in float16, for load_face_parser."""
    weights = {key: value.half() if value.is_floating_point() else value for key, value in parser.state_dict().items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_weights(path, weights)


def _augment_picture(pictures: Pictures | Mixture, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its labels, turned, moved and made larger or smaller alike; the picture worse as well."""
    import cv2

    image = cv2.resize(augment(downscale(pictures.images[row], rng), rng), (SIDE_PX, SIDE_PX))
    labels = np.asarray(pictures.labels[row])
    if rng.random() < 0.5:
        middle = (SIDE_PX / 2, SIDE_PX / 2)
        turn = cv2.getRotationMatrix2D(middle, rng.uniform(-15, 15), rng.uniform(0.8, 1.8))
        turn[:, 2] += rng.uniform(-24, 24, 2)
        size = (SIDE_PX, SIDE_PX)
        image = cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE)
        labels = cv2.warpAffine(labels, turn, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return image, labels


def _measure_hard(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the pixels that are not yet told surely: [B, 19, S, S] and [B, S, S] -> one loss."""
    losses = F.cross_entropy(logits.float(), labels, reduction="none").flatten()
    hard = losses[losses > -np.log(SURE)]
    least = losses.numel() // LEAST
    return (hard if len(hard) > least else losses.topk(least).values).mean()
