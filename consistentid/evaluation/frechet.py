"""FID: the Frechet distance between two sets of pictures in Inception's features, through torchmetrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import CheckpointError, ConsistentIDError, MissingPackageError
from ..packages import needed
from ..weights import read_weights

FEATURES = 2048


@dataclass(frozen=True)
class Inception:
    """model: uint8 [N, 3, H, W] of any size -> features [N, D]."""

    model: torch.nn.Module

    @torch.no_grad()
    def read(self, picture: np.ndarray) -> np.ndarray:
        """Features [D] of an RGB picture [H, W, 3]."""
        device = next((parameter.device for parameter in self.model.parameters()), None)
        return self.model(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].to(device))[0].cpu().numpy()


def measure_fid(pictures: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> float:
    """The distance of features [D] of pictures from those of real ones, two of each at least; 0 is equal.

    It grows as pictures get fewer: compare only sets of one size.
    """
    if min(len(pictures), len(real)) < 2:
        raise ConsistentIDError(
            f"FID needs two pictures and two real photos at least; there are {len(pictures), len(real)}."
        )
    with needed("torchmetrics[image]", "FID"):
        from torchmetrics.image.fid import FrechetInceptionDistance
    metric = FrechetInceptionDistance(feature=_Features(len(real[0])))
    for features, is_real in ((pictures, False), (real, True)):
        for one in features:
            metric.update(torch.from_numpy(one)[None], real=is_real)
    return float(metric.compute())


class _Features(torch.nn.Identity):
    """Stands where torchmetrics has the network. num_features: what it asks for."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width


def load_inception(file: str | Path) -> Inception:
    """From the weights of torch-fidelity's Inception, pt_inception-2015-12-05-6726825d.pth; nothing is downloaded."""
    if not Path(file).is_file():
        raise CheckpointError(
            f"Inception's weights not found: {file}. Get pt_inception-2015-12-05-6726825d.pth from the releases of "
            "github.com/toshas/torch-fidelity and name it with --inception."
        )
    read_weights(file)  # torch-fidelity unpickles whatever is in the file: let nothing but tensors through
    with needed("torchmetrics[image]", "FID"):
        from torchmetrics.image.fid import FrechetInceptionDistance
    try:
        return Inception(FrechetInceptionDistance(FEATURES, feature_extractor_weights_path=str(file)).inception)
    except ModuleNotFoundError as error:  # torchmetrics names torch-fidelity here
        raise MissingPackageError("torchmetrics[image]", "FID", error) from error
    except Exception as error:
        raise CheckpointError(f"{file} does not hold the weights of torch-fidelity's Inception: {error}") from error
