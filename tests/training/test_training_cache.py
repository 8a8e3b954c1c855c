"""What the frozen networks make of a picture is kept, and read instead of the picture; it is never stale."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_data import difference
from PIL import Image

from consistentid.adapter.checkpoint import load_adapter
from consistentid.dataset.records import read_records
from consistentid.training.assembly import assemble_run
from consistentid.training.loop import train
from consistentid.training.model import name_tensors
from consistentid.training.samples import TrainingSamples


@pytest.fixture
def own_dataset(dataset, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(dataset, tmp_path / "dataset")


@pytest.fixture
def make_run(tiny, make_config, own_dataset, tmp_path):
    def make(**changes):
        usual = {"dataset": str(own_dataset), "cache": str(tmp_path / "cache"), "drop_probability": 0.0}
        return assemble_run(make_config(**usual | changes))

    return make


def test_kept_features_are_those_of_the_networks(make_run, monkeypatch):
    first = make_run()
    samples = [first.samples[ordinal] for ordinal in range(2)]
    assert all(sample.pixels and not sample.cached for sample in samples)
    told = first.frozen.encode(samples).as_arguments()
    second = make_run()
    again = [second.samples[ordinal] for ordinal in range(2)]
    assert all(sample.cached and not sample.pixels for sample in again)
    monkeypatch.setattr(second.frozen, "encode_pixels", None)
    monkeypatch.setattr(second.frozen, "_encode_images", None)
    kept = second.frozen.encode(again).as_arguments()
    for name, value in told.items():
        assert torch.equal(kept[name], value) if isinstance(value, torch.Tensor) else kept[name] == value, name


def test_new_and_kept_pictures_come_in_one_batch(make_run):
    run = make_run()
    run.frozen.encode([run.samples[1]])
    mixed = [run.samples[ordinal] for ordinal in range(3)]
    assert [sample.pixels is None for sample in mixed] == [False, True, False]
    plain = make_run(cache="")
    expected = plain.frozen.encode([plain.samples[ordinal] for ordinal in range(3)]).as_arguments()
    found = run.frozen.encode(mixed).as_arguments()
    for name, value in expected.items():
        assert not isinstance(value, torch.Tensor) or difference(found[name], value) < 1e-4, name


def test_a_run_with_a_cache_is_the_run_without(tiny, make_config, tmp_path):
    runs = {
        folder: make_config(output=str(tmp_path / folder), cache=str(tmp_path / "cache") * (folder == "kept"), steps=6)
        for folder in ("plain", "kept")
    }
    plain, kept = (name_tensors(load_adapter(train(config))) for config in runs.values())
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    assert all(difference(kept[name], plain[name]) < 2e-3 for name in plain)


def test_a_dropped_picture_is_not_kept(make_run, tmp_path):
    run = make_run(drop_probability=1.0)
    run.frozen.encode([run.samples[0]])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "changed", ["picture", "labels", "caption", "resolution", "image encoder", "checkpoint", "file"]
)
def test_features_of_something_else_are_made_again(make_run, own_dataset, tmp_path, changed):
    run = make_run()
    run.frozen.encode([run.samples[0]])
    assert run.samples[0].cached
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    record = next(record for record in run.samples.records if run.samples.cache.find(record).path == kept)
    changes = {}
    if changed == "picture":
        Image.fromarray(255 - record.read_image()).save(record.image)
    elif changed == "labels":
        Image.fromarray(np.asarray(Image.open(record.mask))[::-1].copy()).save(record.mask)
    elif changed == "caption":
        path = own_dataset / "all_JSON" / f"{record.name}.json"
        path.write_text(path.read_text(encoding="utf-8").replace("nose", "face"), encoding="utf-8")
    elif changed == "resolution":
        changes = {"resolution": 64}
    elif changed == "image encoder":
        changes = {"clip_vision": str(tmp_path / "other")}
    elif changed == "checkpoint":
        changes = {"checkpoint": str(shutil.copytree(run.config.checkpoint, tmp_path / "base"))}
        (tmp_path / "base" / "vae" / "config.json").touch()
    else:
        kept.write_bytes(kept.read_bytes()[:100])
    sample = TrainingSamples(read_records(own_dataset), replace(run.config, **changes))[0]
    assert sample.pixels and not sample.cached
