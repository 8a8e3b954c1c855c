"""What names the traits of a face in a photo, so that a drawn person like it can be made: trained on drawn and on
rendered people."""

import json
from pathlib import Path

import numpy as np
import torch

from consistentid.caption.traits import SIDE_PX, TraitReader, normalise_heads
from consistentid.face.framing import HEAD_SCALE
from consistentid.weights import write_weights

from .augmentation import augment, downscale
from .fit import find_device, fit, move_to_device
from .pictures import Mixture, Pictures
from .traits import PERSON_TRAITS, measure_accuracy, measure_trait_loss, read_all_traits

BATCH = 48
NEAR, FAR, SHIFT = 0.85, 1.45, 0.06
"""How much of HEAD_SCALE is around a head, as detectors draw its box, and how far from its middle it lies, in sides of
the box."""
GREY, GAMMA, CONTRAST, TINT = 0.06, 0.25, 0.25, 0.06
"""Share of pictures without colour; how far light, contrast and the white balance of the others go."""


def train_trait_reader(pictures: Pictures | Mixture, steps: int, curves: Path, seed: int = 0) -> TraitReader:
    """On heads as they are cut from photos, in every light."""
    torch.manual_seed(seed)
    reader = move_to_device(TraitReader({trait.name: trait.classes for trait in PERSON_TRAITS}))
    targets = read_all_traits(pictures)[:, : len(PERSON_TRAITS)]

    def measure_loss(rng: np.random.Generator) -> torch.Tensor:
        rows = pictures.choose_rows(rng, BATCH)
        heads = np.stack([_augment_head(pictures, row, rng) for row in rows])
        wanted = torch.from_numpy(targets[rows]).to(find_device())
        return measure_trait_loss(reader(normalise_heads(torch.from_numpy(heads)).to(find_device())), wanted)

    return fit("trait_reader", reader, measure_loss, steps, 2e-3, seed, curves, weight_decay=0.05, averaged=True).cpu()


def write_trait_reader(reader: TraitReader, path: Path) -> None:
    """Weights in float16, and the classes they tell, as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {key: value.half() if value.is_floating_point() else value for key, value in reader.state_dict().items()}
    write_weights(path, weights, {"classes": json.dumps(reader.classes)})


def measure_trait_reader(reader: TraitReader, pictures: Pictures) -> dict[str, float]:
    """Accuracy by trait, of the pictures as they are."""
    targets = read_all_traits(pictures)[:, : len(PERSON_TRAITS)]
    still = [_cut_head(pictures, row, 1.0, np.zeros(2)) for row in range(len(pictures))]
    told = [list(reader.read(head).values()) for head in still]
    scores = [np.stack([list(one[index].values()) for one in told]) for index in range(len(PERSON_TRAITS))]
    return measure_accuracy(scores, targets)


def _cut_head(pictures: Pictures | Mixture, row: int, scale: float, shift: np.ndarray) -> np.ndarray:
    """uint8 [SIDE_PX, SIDE_PX, 3]; black where the square leaves the picture."""
    import cv2

    box = pictures.boxes[row]
    side = float(max(box[2:] - box[:2]))
    corner = (box[:2] + box[2:]) / 2 + shift * side - HEAD_SCALE * scale * side / 2
    zoom = SIDE_PX / (HEAD_SCALE * scale * side)
    move = np.array([[zoom, 0, -corner[0] * zoom], [0, zoom, -corner[1] * zoom]])
    return cv2.warpAffine(np.asarray(pictures.images[row]), move, (SIDE_PX, SIDE_PX), flags=cv2.INTER_AREA)


def _augment_head(pictures: Pictures | Mixture, row: int, rng: np.random.Generator) -> np.ndarray:
    import cv2

    head = _cut_head(pictures, row, rng.uniform(NEAR, FAR), rng.normal(0, SHIFT, 2))
    head = head[:, ::-1] if rng.random() < 0.5 else head
    head = cv2.resize(augment(downscale(np.ascontiguousarray(head), rng), rng), (SIDE_PX, SIDE_PX))
    light = (head.astype(np.float32) / 255) ** np.exp(rng.normal(0, GAMMA))
    light = light * np.exp(rng.normal(0, TINT, 3)).astype(np.float32)
    light = (light - 0.5) * np.exp(rng.normal(0, CONTRAST)) + 0.5
    if rng.random() < GREY:
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    return np.rint(light.clip(0, 1) * 255).astype(np.uint8)
