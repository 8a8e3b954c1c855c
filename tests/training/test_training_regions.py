"""Training with other regions than the published five."""

import shutil
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_data import difference
from PIL import Image
from tiny_training import tiny_networks

from consistentid.adapter.checkpoint import load_adapter
from consistentid.dataset.records import read_records
from consistentid.face.region_words import ALL_WORDS, PUBLISHED_REGIONS
from consistentid.headless.unet import detect_base
from consistentid.training.assembly import assemble_run
from consistentid.training.loop import train
from consistentid.training.samples import TrainingSamples
from consistentid.weights import read_metadata

USUAL = ["Face", "Left_Ear", "Left_Eye", "Nose", "Upper_Lip"]


@pytest.fixture(scope="module")
def haired(dataset, tmp_path_factory):
    """The training set, with eyebrows and hair in its label maps; the captions tell of neither."""
    folder = shutil.copytree(dataset, tmp_path_factory.mktemp("haired") / "set")
    for record in read_records(folder):
        labels = np.array(Image.open(record.mask))
        labels[:16], labels[38:42, 42:58] = 17, 2
        Image.fromarray(labels).save(record.mask)
    return folder


@pytest.fixture(scope="module")
def run(make_usual_config, haired, tmp_path_factory):
    output = str(tmp_path_factory.mktemp("run"))
    usual = {"dataset": str(haired), "output": output, "regions": ALL_WORDS, "drop_probability": 0.0}
    with torch.inference_mode(False), torch.enable_grad(), tiny_networks():
        yield assemble_run(make_usual_config(**usual, extra_drop_probability=0.0))


def change(run, **changes):
    """The same models, and the samples, of another configuration."""
    config, frozen = replace(run.config, **changes), copy(run.frozen)
    frozen.config = config
    return replace(run, config=config, frozen=frozen, samples=TrainingSamples(run.samples.records, config))


def encode(run, ordinals=range(2)) -> dict:
    return run.frozen.encode([run.samples[ordinal] for ordinal in ordinals]).as_arguments()


def same(first: dict, second: dict) -> bool:
    return all(
        torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value == second[name]
        for name, value in first.items()
    )


def test_hair_has_a_token_a_mask_and_a_gradient(run):
    marked, inputs = run.frozen.mark(run.samples[0]), encode(run, [0])
    assert marked.regions == [*USUAL, "Brows", "Hair"] and inputs["counts"] == [7]
    hair = inputs["region_masks"][0, 6]
    assert hair[:2].min() > 0.8 and hair[3:].max() == 0
    features = inputs["region_features"].clone().requires_grad_(True)
    run.model(**inputs | {"region_features": features})["loss"].backward()
    assert all(gradient.any() for gradient in features.grad)


def test_the_localisation_loss_looks_at_hair(run):
    inputs = encode(run, [0])
    masks = inputs["region_masks"].clone()
    masks[0, 6] = masks[0, 6].flip(0)
    losses = [run.model(**inputs | {"region_masks": one})["localisation"] for one in (inputs["region_masks"], masks)]
    assert losses[0] != losses[1]


def test_what_is_left_out_is_as_if_it_were_not_there(run):
    """All else stays as in a run with the published regions, noise included."""
    usual = encode(change(run, regions=PUBLISHED_REGIONS))
    assert same(encode(change(run, extra_drop_probability=1.0)), usual)
    assert not same(encode(run), usual)
    chances = change(run, extra_drop_probability=0.5).frozen
    assert {len(chances.draw_chance(number, (4, 16, 16)).left_out) for number in range(40)} == {0, 1, 2}


def test_fewer_regions(run):
    few = change(run, regions=("eyes", "hair"))
    assert few.frozen.mark(few.samples[0]).regions == ["Left_Eye", "Hair"]


def test_kept_features_serve_whatever_chance_leaves_out(run, tmp_path):
    plain = change(run, extra_drop_probability=0.5)
    first = change(plain, cache=str(tmp_path / "cache"))
    left_out = [first.frozen.draw_chance(number, (4, 16, 16)).left_out for number in range(9)]
    assert len(set(left_out)) > 2, "the epochs differ"
    for ordinal in range(9):
        kept, made = encode(first, [ordinal]), encode(plain, [ordinal])
        assert difference(kept.pop("region_features"), made.pop("region_features")) < 1e-5
        assert same({name: kept[name] for name in ("text", "places", "region_masks")}, made)
    assert first.samples[0].cached
    for regions in (PUBLISHED_REGIONS, ("face", "hair")):
        assert not change(first, regions=regions).samples[0].cached, "other regions, other features"


def test_the_file_says_what_it_was_trained_with(tiny, make_config, haired, tmp_path):
    config = make_config(dataset=str(haired), regions=ALL_WORDS, steps=1, batch=2, sheet_every=1, sheet_steps=1)
    path = train(config)
    assert read_metadata(path)["regions"] == ",".join(ALL_WORDS)
    adapter = load_adapter(path)
    assert adapter.config.regions == ALL_WORDS and adapter.config.name == "sd15"
    again = replace(config, adapter=str(path), output=str(tmp_path / "again"), regions=("face", "hair"), sheet_every=0)
    run = assemble_run(again)
    assert run.model.adapter.config.regions == ("face", "hair"), "it goes on from a file, with the regions of the run"
    assert detect_base(run.pipeline.unet).regions == PUBLISHED_REGIONS
