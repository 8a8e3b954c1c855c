"""Fixtures of the training tests; their models are in tiny_training.py."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install diffusers accelerate")
pytest.importorskip("accelerate")

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "stand_ins"))
spec = importlib.util.spec_from_file_location("tiny_training", HERE / "tiny_training.py")
sys.modules["tiny_training"] = tiny_training = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny_training)


@pytest.fixture(autouse=True)
def forget_accelerator():
    """accelerate keeps the precision of the first run of a process."""
    yield
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(True)


@pytest.fixture(autouse=True)
def gradients():
    """Other tiers leave inference mode on for the whole session."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Runs of four steps without a picture of them, which takes as long as they do."""
    monkeypatch.setattr("consistentid.training.curves.CurvePicture.draw", lambda picture: None)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory):
    with torch.inference_mode(False):
        return tiny_training.write_base(tmp_path_factory.mktemp("base") / "sd15")


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory):
    with torch.inference_mode(False):
        return tiny_training.write_base(tmp_path_factory.mktemp("base") / "sdxl", "sdxl")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return tiny_training.write_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def tiny():
    with tiny_training.tiny_networks() as config:
        yield config


@pytest.fixture
def make_config(make_usual_config, tmp_path):
    """A configuration of a short run; keyword arguments change it."""
    return lambda **changes: make_usual_config(**{"output": str(tmp_path / "out"), **changes})


@pytest.fixture(scope="session")
def make_usual_config(base_folder, dataset):
    from consistentid.training.config import TrainingConfig

    def make(**changes):
        usual = {
            "checkpoint": str(base_folder),
            "clip_vision": "tiny",
            "dataset": str(dataset),
            "steps": 4,
            "rank": 4,
            "resolution": tiny_training.SIDE,
            "batch": 4,
            "micro_batch": 2,
            "learning_rate": 1e-3,
            "workers": 0,
            "log_every": 1,
            "save_every": 2,
        }
        return TrainingConfig(**{**usual, **changes})

    return make


@pytest.fixture
def stop_after(monkeypatch):
    """Train a configuration until so many steps are done, then as if Ctrl+C were pressed."""
    import consistentid.training.loop as loop

    def train(steps: int, config) -> None:
        def stop(run, batches, take_step=loop.take_step):
            if run.step == steps:
                raise KeyboardInterrupt
            return take_step(run, batches)

        with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
            patches.setattr(loop, "take_step", stop)
            loop.train(config)

    return train
