"""Face2Diffusion's recipe: an encoder in MSID's form that tells drawn people apart, and a run of `train` on it."""

import csv

import pytest
import torch

from consistentid.adapter.config import ZOO
from consistentid.dataset.records import read_records
from consistentid.face2diffusion.encoder import load_face2diffusion, load_msid
from consistentid.face2diffusion.expression import MEASURES
from consistentid.training.words import put_word
from zoo.recipe import face2diffusion, fit, recogniser
from zoo.recipe.adapter import write_records
from zoo.recipe.pictures import draw_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    pictures = draw_pictures(folder / "pictures", range(3), 2, processes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "LOGGED_STEPS", 4)
        patch.setattr(recogniser, "BATCH", 6)
        encoder = face2diffusion.train_encoder(pictures, 16, folder)
    face2diffusion.write_encoder(encoder, folder / "encoder")
    return folder


def test_the_encoder_learns_and_is_read_as_msid(folder):
    with (folder / "msid.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    encoder = load_msid(folder / "encoder")
    assert encoder.sizes == face2diffusion.SIZES
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 112, 112))
    assert features.shape == (1, face2diffusion.SIZES.feature_width)


def test_a_mapping_is_trained_on_drawn_people(folder, zoo_models, tmp_path):
    records = write_records(tmp_path, zoo_models / "face", range(2), 2)
    options = {"batch": 2, "micro_batch": 2, "workers": 0, "precision": "no", "resolution": 128}
    done = face2diffusion.train_mapping(zoo_models, folder / "encoder", records, tmp_path / "run", 1, **options)
    networks = load_face2diffusion(done)
    sizes = networks.mapping.sizes
    assert (sizes.token, sizes.expression) == (ZOO.width, len(MEASURES))
    assert sum(path.stat().st_size for path in done.glob("*.safetensors") if path.name != "faces.safetensors") < 2e6


def test_captions_of_drawn_people_name_whom_the_word_replaces(zoo_models, tmp_path):
    records = read_records(write_records(tmp_path, zoo_models / "face", range(6), 1))
    for record in records:
        assert put_word(record.caption, face2diffusion.CLASS_WORDS).startswith("f l wearing")
