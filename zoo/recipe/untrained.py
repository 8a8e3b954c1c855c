"""`python -m zoo.recipe.untrained FOLDER`: models of the zoo's form whose base model and adapter have learnt nothing.

To try what reads them while they are being trained. What reads photos is as in the zoo that is there.
"""

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from consistentid.adapter.config import ZOO
from consistentid.model_files.small_models import ZOO_FILES, ZOO_FOLDER

from .adapter import train_adapter, write_records
from .autoencoder import CHANNELS, SCALE, start_autoencoder
from .base_model import UNET, write_base_model
from .language import make_text_encoder, read_tokenizer


def write_untrained(folder: Path, known: Path = ZOO_FOLDER) -> None:
    """known: the zoo from which the readers of photos and the words are taken."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    shutil.copytree(known / ZOO_FILES["clip_vision"], folder / ZOO_FILES["clip_vision"])
    shutil.copy(known / ZOO_FILES["face_parser"], folder)
    faces = folder / ZOO_FILES["face_package"]
    faces.mkdir()
    shutil.copy(known / "face" / "det_zoo.onnx", faces)
    shutil.copy(next((known / "face").glob("*_r.onnx")), faces / ZOO.recogniser)
    words = known / "base" / "tokenizer"
    parts = {"unet": UNet2DConditionModel(**UNET), "text_encoder": make_text_encoder(read_tokenizer(words))}
    vae = start_autoencoder(AutoencoderTiny(latent_channels=CHANNELS, scaling_factor=SCALE))
    write_base_model(nn.ModuleDict(parts), vae, words, folder / ZOO_FILES["checkpoint"])
    with TemporaryDirectory() as work:
        records = write_records(Path(work), faces, range(2500, 2502), 1)
        once = {"batch": 2, "micro_batch": 2, "workers": 0, "precision": "no"}
        adapter = train_adapter(folder, records, Path(work, "run"), 1, **once)
        shutil.copy(adapter, folder / ZOO_FILES["adapter"])


def main(words: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="zoo.recipe.untrained", description="Small models that know nothing.")
    arguments.add_argument("folder", type=Path, help="to make")
    write_untrained(arguments.parse_args(words).folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
