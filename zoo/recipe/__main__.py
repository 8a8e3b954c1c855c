"""`python -m zoo.recipe FOLDER`: make every model of the zoo from nothing, as FOLDER/models.

A run that was stopped goes on: models that are there are kept, and a training goes on from its last state. Curves are
written to FOLDER/curves.
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from consistentid.adapter.config import ZOO
from consistentid.whole_file import claim_folder

from . import (
    adapter,
    autoencoder,
    base_model,
    detector,
    face2diffusion,
    image_encoder,
    judge,
    language,
    parser,
    proof,
    recogniser,
)
from .fit import find_device
from .pictures import Mixture, Pictures, draw_pictures

PEOPLE, SCENES = range(2500), 8
ADAPTER_PEOPLE, ADAPTER_SCENES = range(2500, 4000), 6
"""People that the recogniser has not seen, so that the adapter learns from embeddings as strangers have them."""
HEADS, HEAD_SCENES = range(1600), 5
"""Rendered people, for the models that read photos."""
OTHER_PEOPLE = range(10_000, 10_500)
"""Whom the independent recogniser learns from."""
STEPS: dict = {
    "autoencoder": 3200,
    "decoder": 3000,
    "base model": 12_000,
    "recogniser": 3000,
    "independent recogniser": 3000,
    "detector": 8000,
    "parser": 2000,
    "image encoder": (6000, 4500),
    "judge": 3000,
    "adapter": 4000,
    "msid": 3000,
    "mapping": 3000,
}
log = logging.getLogger("zoo.recipe")


def main(words: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="zoo.recipe", description="Makes the small models from nothing.")
    arguments.add_argument("folder", type=Path, help="for pictures, curves and models: about 12 GB")
    folder = arguments.parse_args(words).folder.resolve()
    torch.set_flush_denormal(True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    with claim_folder(folder):
        make_zoo(folder)
    return 0


def make_zoo(folder: Path) -> None:
    """FOLDER/models is what the pack ships; FOLDER/judges tells how good its pictures are."""
    pictures = draw_pictures(folder / "pictures", PEOPLE, SCENES)
    make_base_model(folder, pictures)
    make_readers(folder, add_heads(folder, pictures))
    make_judges(folder, pictures)
    make_adapters(folder)
    make_words(folder, pictures)
    for state in (folder / "curves").glob("*.pt"):
        state.unlink()


def make_base_model(folder: Path, pictures: Pictures) -> None:
    """The autoencoder first: a diffusion model learns its latents."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    def train_autoencoder(part: Path) -> None:
        autoencoder.train_autoencoder(pictures, STEPS["autoencoder"], curves).save_pretrained(part)

    def train_decoder(part: Path) -> None:
        vae = AutoencoderTiny.from_pretrained(first)
        autoencoder.train_decoder(vae, pictures, STEPS["decoder"], curves).save_pretrained(part)

    def write_tokenizer(part: Path) -> None:
        language.write_tokenizer(part, [text for texts in language.write_texts(pictures) for text in texts])

    def train(part: Path) -> None:
        vae = AutoencoderTiny.from_pretrained(whole)
        tokenizer = language.read_tokenizer(words)
        torch.nn.Module.to(vae, find_device())
        latents = autoencoder.encode_pictures(vae, pictures.images)
        parts = base_model.train_base_model(pictures, latents, tokenizer, STEPS["base model"], curves)
        base_model.write_base_model(parts, vae, words, part)

    curves = folder / "curves"
    first = make(folder / "work" / "autoencoder", train_autoencoder)
    whole = make(folder / "work" / "vae", train_decoder)
    words = make(folder / "work" / "tokenizer", write_tokenizer)
    make(folder / "models" / "base", train)


def add_heads(folder: Path, pictures: Pictures) -> Pictures | Mixture:
    """Drawn pictures and as many rendered ones, for photos; only drawn ones where HEADS is empty."""
    if not HEADS:
        return pictures
    return Mixture(pictures, draw_pictures(folder / "heads", HEADS, HEAD_SCENES, rendered=True))


def make_readers(folder: Path, pictures: Pictures | Mixture) -> None:
    """What reads a photo: detector, recogniser, parser and image encoder."""
    models, curves = folder / "models", folder / "curves"
    make(
        models / "face" / "det_zoo.onnx",
        lambda part: detector.write_detector(detector.train_detector(pictures, STEPS["detector"], curves), part),
    )
    make(
        models / "face" / ZOO.recogniser,
        lambda part: recogniser.write_recogniser(
            recogniser.train_recogniser(pictures, STEPS["recogniser"], curves), part
        ),
    )
    make(
        models / "face_parsing.safetensors",
        lambda part: parser.write_parser(parser.train_parser(pictures, STEPS["parser"], curves), part),
    )
    make(
        models / "image_encoder",
        lambda part: image_encoder.write_image_encoder(
            image_encoder.train_image_encoder(pictures, STEPS["image encoder"], curves), part
        ),
    )


def make_judges(folder: Path, pictures: Pictures) -> None:
    """Who tells likeness and obedience of pictures, and draws none of them; faces are found by the zoo's detector."""

    def train_recogniser(part: Path) -> None:
        others = draw_pictures(folder / "pictures", OTHER_PEOPLE, SCENES)
        count, curves = STEPS["independent recogniser"], folder / "curves"
        independent = recogniser.train_recogniser(others, count, curves, independent=True)
        recogniser.write_recogniser(independent, part)

    judges = folder / "judges"
    make(judges / "face" / "independent_r.onnx", train_recogniser)
    make(judges / "face" / "det_zoo.onnx", lambda part: shutil.copy(folder / "models" / "face" / "det_zoo.onnx", part))
    make(
        judges / "judge.safetensors",
        lambda part: judge.write_judge(judge.train_judge(pictures, STEPS["judge"], folder / "curves"), part),
    )


def make_adapters(folder: Path) -> None:
    """The adapter, and for comparison one that was trained without the localisation loss."""
    models = folder / "models"
    records = adapter.write_records(folder / "records", models / "face", ADAPTER_PEOPLE, ADAPTER_SCENES)
    for path, changes in (
        (models / proof.ADAPTER, {}),
        (folder / "judges" / proof.UNLOCALISED, {"localisation_weight": 0.0}),
    ):
        run = folder / "curves" / path.stem

        def train(part: Path, run=run, changes=changes) -> None:
            shutil.copy(adapter.train_adapter(models, records, run, STEPS["adapter"], **changes), part)

        make(path, train)
        shutil.rmtree(run / "checkpoints", ignore_errors=True)  # another run would go on from them


def make_words(folder: Path, pictures: Pictures) -> None:
    """Face2Diffusion's encoder, which learns from the people that the recogniser saw, and its mapping network, which
    learns from those of the adapter."""
    models, run = folder / "models", folder / "curves" / "mapping"
    records = adapter.write_records(folder / "records", models / "face", ADAPTER_PEOPLE, ADAPTER_SCENES)
    encoder = make(
        folder / "work" / "msid",
        lambda part: face2diffusion.write_encoder(
            face2diffusion.train_encoder(pictures, STEPS["msid"], folder / "curves"), part
        ),
    )

    def train(part: Path) -> None:
        done = face2diffusion.train_mapping(models, encoder, records, run, STEPS["mapping"])
        part.mkdir()
        for name in ("msid", "mapping"):
            shutil.copy(done / f"{name}.safetensors", part)

    make(models / "face2diffusion", train)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)


def make(path: Path, write: Callable[[Path], object]) -> Path:
    """Have `write` make a file or a folder that appears when it is whole; one that is there is kept."""
    if path.exists():
        log.info("%s is there", path)
        return path
    log.info("%s ...", path)
    part = path.with_name(f"{path.name}.part")
    if part.is_dir():
        shutil.rmtree(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(part)
    return part.rename(path)


if __name__ == "__main__":
    sys.exit(main())
