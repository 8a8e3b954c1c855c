"""A run on the zoo's model as it is: its own image encoder, and an autoencoder whose latents have no spread."""

import pytest
import torch

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.training.assembly import assemble_run
from consistentid.training.loop import train
from consistentid.training.samples import read_sample
from consistentid.weights import read_metadata


def make_zoo_config(make_config, zoo_models, **changes):
    files = {"checkpoint": str(zoo_models / "base"), "clip_vision": str(zoo_models / "image_encoder")}
    return make_config(base="zoo", **files, **changes)


def test_a_run_on_the_zoo(zoo_models, make_config):
    config = make_zoo_config(make_config, zoo_models, steps=2)
    path = train(config)
    assert read_metadata(path)["base"] == "zoo"
    adapter = load_adapter(path)
    assert adapter.config.name == ZOO.name
    assert all(lora.up.abs().sum() > 0 for lora in adapter.loras.values()), "every site has learnt"


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_target_is_what_autoencoder_and_scheduler_say(zoo_models, make_config, prediction):
    run = assemble_run(make_zoo_config(make_config, zoo_models))
    run.frozen.noise_schedule.register_to_config(prediction_type=prediction)
    run.frozen.vae.register_to_config(scaling_factor=0.25)
    side, _ = ZOO.size_px
    sample = read_sample(run.samples.records[0], 0, side)
    inputs = run.frozen.encode([sample])
    clean = 0.25 * run.pipeline.vae.encode(sample.pixels.image[None]).latents
    chance = run.frozen.draw_chance(0, clean.shape[1:])
    kept = run.frozen.noise_schedule.alphas_cumprod[chance.timestep]
    assert torch.allclose(inputs.noisy, kept.sqrt() * clean + (1 - kept).sqrt() * chance.noise, atol=1e-5)
    velocity = kept.sqrt() * chance.noise - (1 - kept).sqrt() * clean
    target = {"epsilon": chance.noise[None], "v_prediction": velocity}[prediction]
    assert torch.allclose(inputs.target, target, atol=1e-5)
    assert inputs.photo_features.shape == (1, *ZOO.sizes.image_shape)
