"""Training from shards on an S3 server over HTTP."""

from pathlib import Path

import pytest
import torch

import consistentid.training.loop as loop
from consistentid.dataset.pack import pack_records
from consistentid.dataset.records import read_records
from consistentid.storage import Storage
from consistentid.training.log_file import read_log
from consistentid.weights import read_weights


@pytest.mark.slow
def test_shards_on_a_server_train_as_their_folder(tiny, make_config, dataset, bucket, tmp_path, stop_after):
    """Read by worker processes, also where the run was stopped inside an epoch: the same losses and weights."""
    pack_records(read_records(dataset), Storage(f"{bucket}/packed"), 2)
    settings = {"batch": 2, "micro_batch": 1, "save_every": 1}
    folder = make_config(**settings)
    shards = make_config(**settings, dataset=f"{bucket}/packed", workers=2, output=str(tmp_path / "shards"))
    expected = read_weights(loop.train(folder))
    stop_after(2, shards)
    found = read_weights(loop.train(shards))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    losses = [read_log(Path(config.output) / "log.jsonl") for config in (folder, shards)]
    assert losses[0] == losses[1] and len(losses[0]) == 4
