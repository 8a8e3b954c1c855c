"""The adapter inside ComfyUI's own UNet and sampler, against the authors' UNet and denoising loop."""

import pytest
import torch
from golden_data import DENOISE, UNET, difference, make_input, read_case, read_tensors

pytestmark = pytest.mark.host


def run_unet(model, latents, timestep: int, context):
    """One UNet call with rows [unconditional, conditional], through the MODEL's own patches."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])
    options = model.model_options["transformer_options"] | {
        "cond_or_uncond": [1, 0],
        "sigmas": torch.tensor([1.0]),
    }
    timesteps = torch.full((latents.shape[0],), float(timestep))
    return model.model.diffusion_model(latents, timesteps, context=context, transformer_options=options)


@pytest.mark.parametrize("name", sorted(read_tensors("unet_tiny_sd15.safetensors")))
def test_unet(host, tiny, name):
    expected = read_tensors("unet_tiny_sd15.safetensors")[name]
    case = read_case("unet_tiny_sd15")["inputs"]
    parts = name.split(".")
    size = next(part for part in parts if part[0].isdigit() and "x" in part)
    latents = make_input(f"unet_tiny_sd15/latents_{size}", case[f"unet_tiny_sd15/latents_{size}"])
    context = make_input("unet_tiny_sd15/context_81", (2, 81, 768))
    timestep = int(parts[-1][1:])
    model = tiny.make_model()
    if parts[0] == "plain":
        length = int(parts[1].removeprefix("context"))
        assert difference(run_unet(model, latents, timestep, context[:, :length]), expected) <= UNET
        return
    if parts[1] == "context80":
        context = context[:, :80]
    text, id_tokens = context[:, :-4], context[:, -4:].flip(0)
    hosted, identity = tiny.make_adapter(host, id_tokens)
    weight, lora_weight = ("ip_scale_0" not in name) * 1.0, ("lora_scale_0" not in name) * 1.0
    patched = host.nodes.patching.apply_adapter(model, hosted, identity, weight, lora_weight)
    assert difference(run_unet(patched, latents, timestep, text), expected) <= UNET


@pytest.mark.parametrize("run", ["leading_m5", "leading_m30", "linspace_m5", "linspace_m5_g1"])
def test_denoising(host, tiny, run):
    import comfy.sample
    import comfy.samplers

    expected = read_tensors("denoise_tiny.safetensors")
    case = read_case("denoise_tiny")
    settings = case["runs"][run]
    inputs = {name.split("/")[1]: make_input(name, shape) for name, shape in case["inputs"].items()}
    id_tokens = torch.cat([inputs["id_tokens"], inputs["uncond_id_tokens"]])
    hosted, identity = tiny.make_adapter(host, id_tokens)
    model = host.nodes.patching.apply_adapter(tiny.make_model(), hosted, identity)
    positive = host.nodes.conditioning.split_stages([[inputs["text_only_77"], {}]], [[inputs["facial_77"], {}]], 0.6)
    positive = host.nodes.sampler.set_merge_step(positive, settings["start_merge_step"])
    sigmas = expected[f"{run}.sigmas"]
    # ComfyUI scales the noise by sigma, or by sqrt(1 + sigma^2) at the very top of the schedule.
    top = float(model.get_model_object("model_sampling").sigma_max)
    is_top = float(sigmas[0]) >= top * (1 - 1e-4)
    scale = float((1 + sigmas[0] ** 2).sqrt()) if is_top else float(sigmas[0])
    noise = inputs["latents_16x16"] * (settings["init_noise_sigma"] / scale)
    trace = []
    out = comfy.sample.sample_custom(
        model,
        noise,
        settings["guidance_scale"],
        comfy.samplers.sampler_object("euler"),
        sigmas,
        positive,
        [[inputs["uncond_facial_77"], {}]],
        torch.zeros_like(noise),
        callback=lambda step, denoised, x, total: trace.append(x.clone()),
        disable_pbar=True,
    )
    latents = torch.stack([*trace[1:], out * model.model.latent_format.scale_factor])
    assert difference(latents, expected[f"{run}.latents_after_each_step"]) <= DENOISE
