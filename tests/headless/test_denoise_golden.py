"""diffusers' own pipelines with the adapter, against the authors' pipelines: every step, and the switch between two."""

import pytest
import torch
from golden_data import DENOISE, MODULE, difference, make_input, read_case, read_tensors
from headless_models import make_golden_adapter, make_unet

from consistentid.adapter.tokens import Pair, PlacedAdapter
from consistentid.headless.conditioning import Conditioning, Stage
from consistentid.headless.pipeline import Sampling, sample
from consistentid.headless.unet import install_adapter
from consistentid.identity import Identity


@pytest.fixture(scope="module")
def adapter():
    return make_golden_adapter("sd15")


def make_pipeline(base, unet, scheduler_config):
    import diffusers

    scheduler = diffusers.EulerDiscreteScheduler(**scheduler_config)
    names = ("vae", "text_encoder", "tokenizer")
    if base == "sdxl":
        names += ("text_encoder_2", "tokenizer_2")
        return diffusers.StableDiffusionXLPipeline(**dict.fromkeys(names), unet=unet, scheduler=scheduler)
    none = dict.fromkeys((*names, "safety_checker", "feature_extractor"))
    return diffusers.StableDiffusionPipeline(**none, unet=unet, scheduler=scheduler, requires_safety_checker=False)


def trace(pipeline, conditioning, sampling, latents):
    """Latents after each step."""
    steps = []

    def watch(pipeline, step, timestep, tensors):
        steps.append(tensors["latents"].clone())
        return {}

    sample(pipeline, conditioning, sampling, latents=latents, output_type="latent", callback_on_step_end=watch)
    return torch.stack(steps)


@pytest.mark.parametrize("run", ["leading_m5", "leading_m30", "linspace_m5", "linspace_m5_g1"])
def test_denoising(adapter, run):
    expected = read_tensors("denoise_tiny.safetensors")[f"{run}.latents_after_each_step"]
    case = read_case("denoise_tiny")
    settings = case["runs"][run]
    inputs = {name.split("/")[1]: make_input(name, shape) for name, shape in case["inputs"].items()}
    pipeline = make_pipeline("sd15", make_unet("sd15"), settings["scheduler_config"])
    install_adapter(pipeline.unet, adapter)
    stages = [Stage(inputs[name], inputs["uncond_facial_77"]) for name in ("text_only_77", "facial_77")]
    conditioning = Conditioning(*stages, Pair(inputs["id_tokens"][0], inputs["uncond_id_tokens"][0]))
    steps, last = settings["num_inference_steps"], settings["start_merge_step"]
    sampling = Sampling(steps, settings["guidance_scale"], 128, 128, min(last / steps, 1.0), seeds=(0,))
    assert sampling.merge_step == min(last, steps)
    latents = trace(pipeline, conditioning, sampling, inputs["latents_16x16"])
    assert difference(latents, expected) <= DENOISE


@pytest.mark.slow
def test_denoising_sdxl():
    """FacialEncoder, ID projection, UNet and the switch of both embeddings, as the released SDXL pipeline runs them."""
    expected = read_tensors("denoise_tiny_sdxl.safetensors")
    case = read_case("denoise_tiny_sdxl")
    inputs = {name.split("/")[1]: make_input(name, shape) for name, shape in case["inputs"].items()}
    adapter = make_golden_adapter("sdxl", networks=True)
    identity = Identity(inputs["clip_face"][0], inputs["clip_face_zero"][0], {}, inputs["faceid"][0])
    networks = PlacedAdapter.find(adapter)
    id_tokens = networks.project_identity(identity)
    uncond_cond = torch.stack([id_tokens.nobody, id_tokens.person])
    assert difference(uncond_cond, expected["context_text_stage.id_tokens_uncond_cond"]) <= MODULE
    encode, positions = adapter.facial_encoder.encode_regions, torch.tensor(case["marked_positions"])
    text = torch.cat([inputs["text_embeds_1"], inputs["text_embeds_2"]], dim=-1)
    facial = networks.fuse(text, encode(inputs["clip_parts"]), positions)
    negative = networks.fuse(inputs["negative_prompt_embeds"], encode(inputs["clip_parts_zero"]), positions)
    pooled = inputs["negative_pooled"]
    conditioning = Conditioning(
        Stage(inputs["prompt_embeds_plain"], negative, inputs["pooled_plain"], pooled),
        Stage(facial, negative, inputs["pooled_marked"], pooled),
        id_tokens,
    )
    scheduler = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    pipeline = make_pipeline("sdxl", make_unet("sdxl"), scheduler | {"timestep_spacing": "leading"})
    install_adapter(pipeline.unet, adapter)
    steps, last = case["steps"], case["start_merge_step"]
    sampling = Sampling(steps, case["guidance_scale"], case["width"], case["height"], last / steps, seeds=(0,))
    assert sampling.merge_step == last
    latents = trace(pipeline, conditioning, sampling, inputs["latents_16x24"])
    assert difference(latents, expected["latents_after_each_step"]) <= DENOISE
