"""FID: the Frechet distance between two sets of pictures in Inception's features, through torchmetrics."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from ..errors import CheckpointError, ConsistentIDError, MissingPackageError
from ..packages import needed
from ..weights import read_weights

FEATURES = 2048


def measure_fid(
    pictures: Iterable[np.ndarray], real: Iterable[np.ndarray], network: str | Path | torch.nn.Module, device="cpu"
) -> float:
    """The distance of RGB pictures [H, W, 3] of any sizes from real ones, two of each at least; 0 is equal.

    network: file with the weights of torch-fidelity's Inception, pt_inception-2015-12-05-6726825d.pth; or a module,
    uint8 [N, 3, H, W] -> [N, D]. The distance grows as pictures get fewer: compare only sets of one size.
    """
    metric = load_fid(network).to(device)
    for batch, is_real in ((pictures, False), (real, True)):
        for picture in batch:
            metric.update(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].to(device), real=is_real)
    counts = int(metric.fake_features_num_samples), int(metric.real_features_num_samples)
    if min(counts) < 2:
        raise ConsistentIDError(f"FID needs two pictures and two real photos at least; there are {counts}.")
    return float(metric.compute())


def load_fid(network: str | Path | torch.nn.Module):
    """torchmetrics' FID, from a weights file or a module; nothing is downloaded."""
    is_file = not isinstance(network, torch.nn.Module)
    if is_file and not Path(network).is_file():
        raise CheckpointError(
            f"Inception's weights not found: {network}. Get pt_inception-2015-12-05-6726825d.pth from the releases of "
            "github.com/toshas/torch-fidelity and name it with --inception."
        )
    if is_file:
        read_weights(network)  # torch-fidelity unpickles whatever is in the file: let nothing but tensors through
    with needed("torchmetrics[image]", "FID"):
        from torchmetrics.image.fid import FrechetInceptionDistance
    try:
        if is_file:
            return FrechetInceptionDistance(feature=FEATURES, feature_extractor_weights_path=str(network))
        return FrechetInceptionDistance(feature=network)
    except ModuleNotFoundError as error:  # torchmetrics names torch-fidelity here
        raise MissingPackageError("torchmetrics[image]", "FID", error) from error
    except Exception as error:
        raise CheckpointError(f"{network} does not hold the weights of torch-fidelity's Inception: {error}") from error
