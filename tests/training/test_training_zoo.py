"""A run on the zoo's model as it is: its own image encoder, and an autoencoder whose latents have no spread."""

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


def test_latents_are_what_the_autoencoder_says(zoo_models, make_config):
    run = assemble_run(make_zoo_config(make_config, zoo_models))
    sample = read_sample(run.samples.records[0], 0, 128)
    inputs = run.frozen.encode([sample])
    chance = run.frozen.draw_chance(0, (4, 16, 16))
    clean = run.pipeline.vae.encode(sample.pixels.image[None]).latents
    kept = run.frozen.noise_schedule.alphas_cumprod[chance.timestep]
    assert torch.allclose(inputs.noisy, kept.sqrt() * clean + (1 - kept).sqrt() * chance.noise, atol=1e-5)
    assert inputs.photo_features.shape == (1, *ZOO.sizes.image_shape)
