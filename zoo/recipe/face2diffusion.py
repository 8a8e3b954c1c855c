"""Face2Diffusion of the zoo: a small encoder in MSID's form, and the configuration of `train` for its mapping network.

source: arXiv 2403.05094, section 3.2, for the loss on the features of all depths together.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from consistentid.face2diffusion.encoder import MSID
from consistentid.face2diffusion.msid import EncoderSizes, MSIDEncoder
from consistentid.training.config import MappingConfig
from consistentid.training.loop import train
from consistentid.weights import write_weights

from .adapter import configure
from .fit import fit, move_to_device
from .pictures import Mixture, Pictures
from .recogniser import MarginLoss, crop_faces

SIZES = EncoderSizes(patch_px=14, width=64, depth=8, taps=(1, 3, 5, 7))
CLASS_WORDS = ("an old woman", "an old man", "a woman", "a man")
"""As the captions of drawn faces name people."""
SHARED = (
    *("checkpoint", "dataset", "output", "steps", "base", "resolution", "batch", "micro_batch", "learning_rate"),
    *("rates", "warmup", "precision", "workers", "save_every", "keep", "log_every"),
)
"""Keys that are as in the adapter's run."""
SPREAD = 0.02
"""Of new weights, as for any vision transformer."""


def make_encoder(sizes: EncoderSizes = SIZES) -> MSIDEncoder:
    """An untrained one."""
    encoder = MSIDEncoder(sizes)
    for tensor in (encoder.cls_token, encoder.pos_embed):
        torch.nn.init.normal_(tensor, std=SPREAD)
    return encoder


def train_encoder(pictures: Pictures | Mixture, steps: int, curves: Path, seed: int = 0) -> MSIDEncoder:
    """An encoder that tells the people in `pictures` apart by its features of all depths."""
    torch.manual_seed(seed)
    encoder = make_encoder()
    loss = move_to_device(MarginLoss(encoder, len(pictures.seeds), encoder.sizes.feature_width))

    fit("msid", loss, partial(crop_faces, pictures), loss.measure, steps, 1e-3, seed, curves, weight_decay=0.05)
    return encoder.cpu()


def write_encoder(encoder: MSIDEncoder, folder: Path) -> None:
    """As the file that Face2Diffusion's folder has, in half precision but for what counts batches."""
    folder.mkdir(parents=True, exist_ok=True)
    state = encoder.state_dict()
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    write_weights(folder / f"{MSID}.safetensors", half)


def configure_mapping(models: Path, encoder: Path, records: Path, output: Path, steps: int, **changes) -> MappingConfig:
    """The run that makes the zoo's mapping network, like the adapter's. encoder: folder with msid; changes: other
    values."""
    usual = configure(models, records, output, steps)
    words = MappingConfig(
        **{name: getattr(usual, name) for name in SHARED},
        face2diffusion=str(encoder),
        face_package=str(models / "face"),
        class_prompt="{caption}",
        class_words=CLASS_WORDS,
    )
    return replace(words, **changes)


def train_mapping(models: Path, encoder: Path, records: Path, output: Path, steps: int, **changes) -> Path:
    """Train on the records with the zoo's frozen models; returns the folder, in which both networks are."""
    return train(configure_mapping(models, encoder, records, output, steps, **changes)).parent
