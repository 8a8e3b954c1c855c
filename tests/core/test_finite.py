"""NaN, infinity and sizes without measure are refused where they enter, in words."""

from dataclasses import replace

import pytest
import torch

from consistentid.adapter.schedule import Schedule
from consistentid.errors import ConsistentIDError
from consistentid.finite import list_not_finite, require_finite
from consistentid.headless.option_texts import parse_lora
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.identity.combination import combine_identities
from consistentid.training.config import ConfigError, TrainingConfig
from consistentid.weights import CheckpointError, load_strictly

NOT_NUMBERS = [float("nan"), float("inf"), -float("inf")]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_one_value_of_a_tensor_that_is_no_number(dtype, value):
    sound, broken = torch.zeros(2, 64, 65, dtype=torch.float64)
    sound[0, 0], broken[63, 64] = torch.finfo(dtype).max, value
    others = {"empty": torch.zeros(0), "whole": torch.ones(3).int()}
    assert list_not_finite({"sound": sound.to(dtype), "broken": broken.to(dtype), **others}) == ["broken"]


def test_a_network_with_a_value_that_is_no_number():
    state = torch.nn.Linear(4, 4).state_dict()
    state["bias"][2] = float("nan")
    with pytest.raises(CheckpointError, match=r"no numbers.*bias"):
        load_strictly(torch.nn.Linear(4, 4, device="meta"), state, "x.pt")


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_strengths_schedules_and_loras(value):
    with pytest.raises(ConsistentIDError, match="weight is"):
        require_finite(weight=value)
    with pytest.raises(ConsistentIDError, match=r"--steps is 1000.*at most"):
        PortraitSettings(face="a", steps=10**400).check()
    with pytest.raises(ConsistentIDError, match="detail is"):
        Schedule(detail=value)
    with pytest.raises(ConsistentIDError, match="is not a LoRA"):
        parse_lora(f"style.safetensors={value}")


@pytest.mark.parametrize("name", ["guidance", "weight", "lora_weight", "control_scale", "strength", "merge_at"])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_numbers_of_a_headless_run(name, value):
    with pytest.raises(ConsistentIDError, match=f"--{name.replace('_', '-')} is"):
        PortraitSettings(face="a", **{name: value}).check()


@pytest.mark.parametrize("name", ["batch", "steps", "width", "height"])
def test_a_headless_run_without_end(name):
    with pytest.raises(ConsistentIDError, match=f"--{name} is .*at most"):
        PortraitSettings(face="a", **{name: 10**9}).check()


CONFIG = TrainingConfig(checkpoint="a", clip_vision="b", dataset="c", output="d", steps=1)


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "gradient_clip", "localisation_weight", "ema"])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_numbers_of_a_training(name, value):
    CONFIG.check()
    with pytest.raises(ConfigError, match=name):
        replace(CONFIG, **{name: value}).check()


@pytest.mark.parametrize("name", ["output", "dataset", "checkpoint", "clip_vision"])
def test_a_training_that_names_nothing(name):
    """An empty output would be the current folder."""
    with pytest.raises(ConfigError, match=f"{name} is empty"):
        replace(CONFIG, **{name: ""}).check()


@pytest.mark.parametrize("weights", [[1e308, 1e308], [float("nan"), 1], [float("inf"), 1]])
def test_weights_of_identities(make_identities, weights):
    with pytest.raises(ConsistentIDError, match=r"weights as identities \(2\), from 0 up, at most"):
        combine_identities(make_identities(2), weights=weights)


@pytest.fixture
def make_identities():
    from consistentid.identity import Identity

    def make(count):
        rows = (torch.randn(512, generator=torch.Generator().manual_seed(n)) for n in range(count))
        features = torch.zeros(257, 1280)
        return [Identity(features, features, {}, row / row.norm(), quality=0.5) for row in rows]

    return make
