"""The adapter's recipe: drawn people as records with ID embeddings, and a run of `train` on the zoo's models."""

import numpy as np

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.dataset.records import read_records
from consistentid.face.region_words import ALL_WORDS
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
