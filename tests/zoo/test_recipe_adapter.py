"""The adapter's recipe: drawn people as records with ID embeddings, and a run of `train` on the zoo's models."""

import numpy as np
import pytest

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.dataset.records import read_records
from consistentid.face.region_words import ALL_WORDS
from zoo.drawn_faces import sample_person
from zoo.recipe.adapter import RANK, train_adapter, write_records


def test_an_adapter_is_trained_on_drawn_people(zoo_models, tmp_path):
    records = write_records(tmp_path, zoo_models / "face", range(2), 2)
    first, second, *_ = [record.read_embedding() for record in read_records(records)]
    assert abs(np.linalg.norm(first) - 1) < 1e-3 and not np.allclose(first, second)
    written = (records / "JSON_all.json").stat().st_mtime_ns
    assert write_records(tmp_path, zoo_models / "face", range(2), 2) == records
    assert (records / "JSON_all.json").stat().st_mtime_ns == written, "records that are there are kept"
    options = {"batch": 2, "micro_batch": 2, "workers": 0, "precision": "no"}
    path = train_adapter(zoo_models, records, tmp_path / "run", 1, **options)
    adapter = load_adapter(path)
    assert adapter.config.regions == ALL_WORDS
    assert adapter.config.name == ZOO.name and {lora.down.shape[0] for lora in adapter.loras.values()} == {RANK}


def test_records_whose_writing_was_stopped_go_on_with_the_people_that_lack(zoo_models, tmp_path, monkeypatch):
    import zoo.drawn_faces.training_set as training_set

    def draw(person, scene, side_px, draw=training_set.draw_portrait):
        drawn.append(person)
        if len(drawn) == stop:
            raise KeyboardInterrupt
        return draw(person, scene, side_px)

    monkeypatch.setattr(training_set, "draw_portrait", draw)
    drawn, stop = [], 4
    with pytest.raises(KeyboardInterrupt):
        write_records(tmp_path, zoo_models / "face", range(3), 2)
    drawn, stop = [], None
    records = read_records(write_records(tmp_path, zoo_models / "face", range(3), 2))
    assert [record.name for record in records] == [f"{person}/{scene}" for person in range(3) for scene in range(2)]
    assert drawn == [sample_person(1)] * 2 + [sample_person(2)] * 2
