"""The face recogniser of the zoo, in ArcFace's form: an aligned face -> an embedding of 512 values.

source: CosFace (arXiv 1801.09414) for the loss; the global depthwise convolution is MobileFaceNet's (1804.07573).
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consistentid.adapter.config import ID_EMBEDDING_WIDTH
from consistentid.face.face import CROP_PX, align_landmarks

from .augmentation import augment, downscale
from .blocks import Residual, convolve
from .fit import fit, move_to_device
from .onnx_file import write_onnx
from .pictures import Mixture, Pictures

BATCH = 128
SCALE, MARGIN = 30.0, 0.25
JITTER = 0.04
"""Standard deviation of the landmarks' places while training, in distances of the eyes: detectors are not exact."""
INDEPENDENT = {"side_px": 128, "widths": (16, 32, 64, 112), "hidden": 192}
"""Another form, for an independent opinion in evaluation; InsightFace gives it a little more chin and cheeks."""


class Recogniser(nn.Module):
    """Aligned faces [B, 3, side_px, side_px], RGB -1..1 -> embeddings [B, 512], to be compared by their angle."""

    def __init__(self, side_px: int = 112, widths: Sequence[int] = (16, 32, 64, 80), hidden: int = 256):
        super().__init__()
        self.side_px = side_px
        layers = [convolve(3, widths[0], stride=2)]
        for inputs, outputs in pairwise(widths):
            layers += [convolve(inputs, outputs, stride=2), Residual(outputs)]
        self.features = nn.Sequential(*layers)
        self.widen = convolve(widths[-1], hidden, kernel=1)
        self.gather = nn.Conv2d(hidden, hidden, side_px >> len(widths), groups=hidden, bias=False)
        self.embed = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(hidden), nn.Linear(hidden, ID_EMBEDDING_WIDTH, bias=False),
            nn.BatchNorm1d(ID_EMBEDDING_WIDTH),
        )  # fmt: skip

    def forward(self, faces: Tensor) -> Tensor:
        return self.embed(self.gather(self.widen(self.features(faces))))


class MarginLoss(nn.Module):
    """CosFace: the angle between an embedding and the centre of its person must be smaller by a margin."""

    def __init__(self, recogniser: nn.Module, people: int, width: int = ID_EMBEDDING_WIDTH):
        super().__init__()
        self.recogniser = recogniser
        self.centres = nn.Parameter(torch.randn(people, width) * 0.05)

    def forward(self, faces: Tensor, people: Tensor) -> Tensor:
        """Aligned faces [B, 3, S, S] and the numbers of their people [B] -> one loss."""
        embeddings = F.normalize(self.recogniser(faces).float())
        with torch.autocast(faces.device.type, enabled=False):
            cosines = F.linear(embeddings, F.normalize(self.centres))
        margins = MARGIN * F.one_hot(people, len(self.centres))
        return F.cross_entropy(SCALE * (cosines - margins), people)

    def measure(self, faces: Tensor, people: Tensor) -> Tensor:
        """The same of what `crop_faces` gives."""
        return self(normalise_faces(faces), people)


def train_recogniser(
    pictures: Pictures | Mixture, steps: int, curves: Path, seed: int = 0, independent: bool = False
) -> Recogniser:
    """A recogniser of the people in `pictures`; independent: in another form, see INDEPENDENT."""
    torch.manual_seed(seed)
    recogniser = Recogniser(**(INDEPENDENT if independent else {}))
    loss = move_to_device(MarginLoss(recogniser, len(pictures.seeds)))

    crop = partial(crop_faces, pictures, side_px=recogniser.side_px)
    name = "independent_recogniser" if independent else "recogniser"
    fit(name, loss, crop, loss.measure, steps, 3e-3, seed, curves, weight_decay=0.05)
    return recogniser.cpu()


def crop_faces(
    pictures: Pictures | Mixture, rng: np.random.Generator, side_px: int = CROP_PX
) -> tuple[np.ndarray, np.ndarray]:
    """Aligned faces, RGB uint8 [BATCH, S, S, 3], changed by chance, and the numbers of their people [BATCH]."""
    rows = pictures.choose_rows(rng, BATCH)
    return np.stack([_crop_face(pictures, row, side_px, rng) for row in rows]), pictures.find_people(rows)


def normalise_faces(faces: Tensor) -> Tensor:
    """Aligned faces, RGB uint8 [B, S, S, 3] -> what InsightFace gives the network, [B, 3, S, S]."""
    return faces.permute(0, 3, 1, 2).float().sub(127.5).div(127.5)


def write_recogniser(recogniser: Recogniser, path: Path) -> None:
    """As an ONNX file that InsightFace takes for ArcFace."""
    example = torch.zeros(1, 3, recogniser.side_px, recogniser.side_px)
    write_onnx(recogniser, example, Path(path), ["embedding"], {"input": {0: "batch"}, "embedding": {0: "batch"}})


def _crop_face(pictures: Pictures | Mixture, row: int, side_px: int, rng: np.random.Generator) -> np.ndarray:
    """One aligned face, RGB uint8 [side_px, side_px, 3], cropped by landmarks that are a little off."""
    image = downscale(pictures.images[row], rng)
    landmarks = pictures.landmarks[row] * (len(image) / len(pictures.images[row]))
    reach = JITTER * np.linalg.norm(landmarks[1] - landmarks[0])
    return augment(align_landmarks(image, landmarks + rng.normal(0, reach, (5, 2)), side_px), rng)
