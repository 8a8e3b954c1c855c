"""The adapter inside ComfyUI's own UNet and sampler, against the authors' UNet and denoising loop."""

import pytest
import torch
from golden_data import DENOISE, MODULE, UNET, difference, make_input, read_case, read_tensors

pytestmark = pytest.mark.host


def run_unet(model, latents, timestep: int, context, labels=None):
    """One UNet call with rows [unconditional, conditional], through the MODEL's own patches."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])
    options = model.model_options["transformer_options"] | {
        "cond_or_uncond": [1, 0],
        "sigmas": torch.tensor([1.0]),
    }
    timesteps = torch.full((latents.shape[0],), float(timestep))
    return model.model.diffusion_model(latents, timesteps, context=context, y=labels, transformer_options=options)


def make_labels(case) -> torch.Tensor | None:
    """SDXL's vector condition: pooled text embedding and embedded sizes."""
    if not case["time_ids"]:
        return None
    from comfy.ldm.modules.diffusionmodules.openaimodel import Timestep

    pooled = make_input("unet_tiny_sdxl/text_embeds", (2, 1280))
    sizes = torch.tensor(case["time_ids"])
    return torch.cat([pooled, Timestep(256)(sizes.flatten()).view(2, -1)], dim=1)


UNETS = [(base, name) for base in ("sd15", "sdxl") for name in sorted(read_tensors(f"unet_tiny_{base}.safetensors"))]


@pytest.mark.parametrize(("base", "name"), UNETS)
def test_unet(host, tiny, base, name):
    case_name = f"unet_tiny_{base}"
    expected = read_tensors(f"{case_name}.safetensors")[name]
    case = read_case(case_name)
    labels = make_labels(case)
    case = case["inputs"]
    parts = name.split(".")
    size = next(part for part in parts if part[0].isdigit() and "x" in part)
    latents = make_input(f"{case_name}/latents_{size}", case[f"{case_name}/latents_{size}"])
    context = make_input(f"{case_name}/context_81", case[f"{case_name}/context_81"])
    timestep = int(parts[-1][1:])
    model = tiny.make_model(base)
    if parts[0] == "plain":
        length = int(parts[1].removeprefix("context"))
        assert difference(run_unet(model, latents, timestep, context[:, :length], labels), expected) <= UNET
        return
    if parts[1] == "context80":
        context = context[:, :80]
    text, id_tokens = context[:, :-4], context[:, -4:].flip(0)
    hosted, identity = tiny.make_adapter(host, id_tokens, base)
    weight, lora_weight = ("ip_scale_0" not in name) * 1.0, ("lora_scale_0" not in name) * 1.0
    patched = host.nodes.model.patching.apply_adapter(model, hosted, identity, weight, lora_weight)
    assert difference(run_unet(patched, latents, timestep, text, labels), expected) <= UNET


@pytest.mark.parametrize("run", ["leading_m5", "leading_m30", "linspace_m5", "linspace_m5_g1"])
def test_denoising(host, tiny, run):
    expected = read_tensors("denoise_tiny.safetensors")
    case = read_case("denoise_tiny")
    settings = case["runs"][run]
    inputs = {name.split("/")[1]: make_input(name, shape) for name, shape in case["inputs"].items()}
    id_tokens = torch.cat([inputs["id_tokens"], inputs["uncond_id_tokens"]])
    hosted, identity = tiny.make_adapter(host, id_tokens)
    model = host.nodes.model.patching.apply_adapter(tiny.make_model(), hosted, identity)
    positive = host.nodes.text.conditioning.split_stages(
        [[inputs["text_only_77"], {}]], [[inputs["facial_77"], {}]], 0.6
    )
    positive = host.nodes.sampler.set_merge_step(positive, settings["start_merge_step"])
    sigmas = expected[f"{run}.sigmas"]
    initial = inputs["latents_16x16"] * settings["init_noise_sigma"]
    negative = [[inputs["uncond_facial_77"], {}]]
    latents = trace_latents(model, initial, sigmas, settings["guidance_scale"], positive, negative)
    assert difference(latents, expected[f"{run}.latents_after_each_step"]) <= DENOISE


def trace_latents(model, initial, sigmas, guidance, positive, negative):
    """Latents after each Euler step of ComfyUI's sampler, from given initial latents [1, 4, H, W]."""
    import comfy.sample
    import comfy.samplers

    # ComfyUI scales the noise by sigma, or by sqrt(1 + sigma^2) at the very top of the schedule.
    top = float(model.get_model_object("model_sampling").sigma_max)
    is_top = float(sigmas[0]) >= top * (1 - 1e-4)
    scale = float((1 + sigmas[0] ** 2).sqrt()) if is_top else float(sigmas[0])
    trace = []
    out = comfy.sample.sample_custom(
        model,
        initial / scale,
        guidance,
        comfy.samplers.sampler_object("euler"),
        sigmas,
        positive,
        negative,
        torch.zeros_like(initial),
        callback=lambda step, denoised, x, total: trace.append(x.clone()),
        disable_pbar=True,
    )
    return torch.stack([*trace[1:], out * model.model.latent_format.scale_factor])


@pytest.mark.slow
def test_denoising_sdxl(host, tiny):
    """FacialEncoder, ID projection, UNet and the switch of both embeddings, as the released SDXL pipeline runs them."""
    expected = read_tensors("denoise_tiny_sdxl.safetensors")
    case = read_case("denoise_tiny_sdxl")
    inputs = {name.split("/")[1]: make_input(name, shape) for name, shape in case["inputs"].items()}
    hosted = tiny.make_sdxl_adapter(host)
    keys = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
    identity = host.consistentid.identity.Identity(
        inputs["clip_face"][0],
        inputs["clip_face_zero"][0],
        dict(zip(keys, inputs["clip_parts"], strict=True)),
        inputs["faceid"][0],
    )
    id_tokens = hosted.project_identity(identity)
    uncond_cond = torch.stack([id_tokens.nobody, id_tokens.person])
    assert difference(uncond_cond, expected["context_text_stage.id_tokens_uncond_cond"]) <= MODULE
    encode = hosted.adapter.facial_encoder.encode_regions
    positions = torch.tensor(case["marked_positions"])
    text = torch.cat([inputs["text_embeds_1"], inputs["text_embeds_2"]], dim=-1)
    facial = hosted.fuse(text, encode(inputs["clip_parts"]), positions)
    negative = hosted.fuse(inputs["negative_prompt_embeds"], encode(inputs["clip_parts_zero"]), positions)
    marked = torch.cat([negative, facial])[:, positions]
    assert difference(marked, expected["context_augmented_stage.marked_rows_uncond_cond"]) <= MODULE
    model = host.nodes.model.patching.apply_adapter(tiny.make_model("sdxl"), hosted, identity)
    positive = host.nodes.text.conditioning.split_stages(
        [[inputs["prompt_embeds_plain"], {"pooled_output": inputs["pooled_plain"]}]],
        [[facial, {"pooled_output": inputs["pooled_marked"]}]],
        0.6,
    )
    positive = host.nodes.sampler.set_merge_step(positive, case["start_merge_step"])
    negative = [[negative, {"pooled_output": inputs["negative_pooled"]}]]
    initial = inputs["latents_16x24"] * case["init_noise_sigma"]
    latents = trace_latents(model, initial, expected["sigmas"], case["guidance_scale"], positive, negative)
    assert difference(latents, expected["latents_after_each_step"]) <= DENOISE
