"""ComfyUI and the headless engine, same weights: the same UNet output, text with facial tokens, and checkpoint."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from golden_data import difference, make_input
from headless_models import make_golden_adapter, make_unet
from safetensors.torch import load_file, save_file

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import SD15
from consistentid.headless.clip_text import ClipText
from consistentid.headless.conditioning import encode_prompt
from consistentid.headless.pipeline import load_pipeline
from consistentid.headless.unet import install_adapter
from consistentid.prompt.compose import compose_for_identity, describe_placement

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
AGREEMENT = 1e-4
LONG = ", ".join(f"detail number {i} of a rich scene" for i in range(24))


@pytest.fixture(scope="module")
def tiny(host, load_module):
    load_module(ROOT / "benchmarks" / "full_size.py")
    return load_module(ROOT / "tests" / "host" / "tiny_unet.py")


@pytest.mark.parametrize(("base", "width"), [("sd15", 768), ("sdxl", 2048)])
def test_unet(host, tiny, base, width):
    """Texts of two lengths, two pairs of weights: LoRA merged by ComfyUI, at run time in the headless engine."""
    import comfy.model_management

    latents = make_input("agreement/latents", (2, 4, 16, 24))
    id_tokens = make_input("agreement/id_tokens", (2, 4, width))  # unconditional, conditional
    pooled, sizes = (
        make_input("agreement/pooled", (2, 1280)),
        torch.tensor([[128.0, 192.0, 0.0, 0.0, 128.0, 192.0]] * 2),
    )
    conditions, labels = None, None
    if base == "sdxl":
        from comfy.ldm.modules.diffusionmodules.openaimodel import Timestep

        conditions = {"text_embeds": pooled, "time_ids": sizes}
        labels = torch.cat([pooled, Timestep(256)(sizes.flatten()).view(2, -1)], dim=1)
    unet, adapter = make_unet(base), make_golden_adapter(base)
    hosted, identity = tiny.make_adapter(host, id_tokens.flip(0), base)
    for weight, lora_weight, length in ((1.0, 1.0, 77), (0.6, 0.8, 154)):
        text = make_input(f"agreement/text_{length}", (2, length, width))
        model = host.nodes.model.patching.apply_adapter(tiny.make_model(base), hosted, identity, weight, lora_weight)
        comfy.model_management.load_models_gpu([model])
        options = model.model_options["transformer_options"] | {"cond_or_uncond": [1, 0], "sigmas": torch.ones(1)}
        theirs = model.model.diffusion_model(
            latents, torch.full((2,), 501.0), context=text, y=labels, transformer_options=options
        )
        installed = install_adapter(unet, adapter, weight, lora_weight)
        kwargs = {"id_tokens": id_tokens}
        ours = unet(latents, 501, text, added_cond_kwargs=conditions, cross_attention_kwargs=kwargs).sample
        installed.remove()
        assert difference(ours, theirs) <= AGREEMENT


@pytest.fixture(scope="module")
def standin_models(host, comfyui, load_module):
    """ComfyUI's CLIP and the same weights in transformers, and the adapter in both."""
    import comfy.sd
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = load_module(ROOT / "tests" / "stand_ins" / "standins.py").prepare(comfyui)
    checkpoint = folder / "checkpoints" / "standin_sd15.safetensors"
    clip = comfy.sd.load_checkpoint_guess_config(str(checkpoint), output_vae=False)[1]
    prefix = "cond_stage_model.transformer."
    weights = {k.removeprefix(prefix): v.float() for k, v in load_file(checkpoint).items() if k.startswith(prefix)}
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    encoder = CLIPTextModel(CLIPTextConfig(**sizes, eos_token_id=49407, bos_token_id=49406))
    names = encoder.state_dict()
    spelling = "" if "text_model.final_layer_norm.weight" in names else "text_model."
    encoder.load_state_dict({k.removeprefix(spelling): v for k, v in weights.items()})
    tokenizer = CLIPTokenizer.from_pretrained(comfyui / "comfy" / "sd1_tokenizer")
    pipeline = SimpleNamespace(text_encoder=encoder.eval(), tokenizer=tokenizer)
    path = folder / "consistentid" / "standin_consistentid_sd15.bin"
    adapter = load_adapter(path).to("cpu", torch.float32)
    return clip, host.nodes.model.hosting.HostedAdapter.load(str(path)), ClipText(pipeline, SD15), adapter


TEXTS = {
    "short": ("a photo of a person in a forest", "", "auto"),
    "empty": ("", "", "auto"),
    "several chunks": (LONG, "", "auto"),
    "natural caption": ("a person", "Her eyes are brown and the nose is short. A broad mouth; small ears!", "auto"),
    "matched": ("a person", "", "matched"),
    "published": ("a person in a forest", "", "published"),
    "published, cut": (LONG, "", "published"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_conditioning(host, standin_models, make_identity, name):
    """Both stages, both branches, the marked prompt and the report, as the node gives them."""
    clip, hosted, text, adapter = standin_models
    prompt, caption, alignment = TEXTS[name]
    person = make_identity(strengths={"Nose": 0.5})
    fields = {key: getattr(person, key) for key in ("photo_features", "zero_features", "region_features")}
    identity = host.consistentid.identity.Identity(
        **fields, id_embedding=person.id_embedding, strengths=person.strengths
    )
    positive, negative, marked, report = host.nodes.conditioning.InjectTokens.execute(
        clip, hosted, identity, prompt, "blurry, low quality", 0.6, alignment, caption
    ).result[:4]
    composed = compose_for_identity(prompt, caption, person, SD15, text, alignment)
    conditioning = encode_prompt(text, adapter, person, composed, "blurry, low quality")
    assert (composed.marked, describe_placement(composed, [person], SD15)) == (marked, report)
    stages = {entry[1]["consistentid_stage"]["name"]: entry[0] for entry in positive}
    assert difference(conditioning.text.positive[:, : stages["text"].shape[1]], stages["text"]) <= AGREEMENT
    assert difference(conditioning.facial.positive, stages["facial"]) <= AGREEMENT
    assert difference(conditioning.facial.negative, negative[0][0]) <= AGREEMENT
    assert difference(torch.stack(conditioning.id_tokens), torch.stack(hosted.project_identity(identity))) <= AGREEMENT


def test_single_file_checkpoint(host, tiny, files, tmp_path):
    """One file in the original layout, written with ComfyUI's tables of names: every weight arrives in its place."""
    import comfy.utils
    import full_size
    from comfy.diffusers_convert import convert_vae_state_dict

    original = load_pipeline(files["checkpoint"], SD15)
    layout = full_size.make_layout("sd15", torch.float32, model_channels=32, channel_mult=[1] * 4)
    names = comfy.utils.unet_to_diffusers(layout)
    state = {f"model.diffusion_model.{names[k]}": v for k, v in original.unet.state_dict().items()}
    vae = convert_vae_state_dict(original.vae.state_dict())
    state |= {f"first_stage_model.{key}": value for key, value in vae.items()}
    text = original.text_encoder.state_dict()
    spelling = "" if "text_model.final_layer_norm.weight" in text else "text_model."
    state |= {f"cond_stage_model.transformer.{spelling}{key}": value for key, value in text.items()}
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "tiny.safetensors")
    loaded = load_pipeline(tmp_path / "tiny.safetensors", SD15, base_config=files["checkpoint"])
    for part in ("unet", "vae", "text_encoder"):
        expected, found = getattr(original, part).state_dict(), getattr(loaded, part).state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key].reshape(expected[key].shape)) for key in expected), part
    assert loaded.tokenizer("two eyes").input_ids == original.tokenizer("two eyes").input_ids


def test_image_features(host, files, photo, tmp_path):
    """ComfyUI's CLIP_VISION and transformers', from the same weights."""
    import inspect
    import json

    import comfy.clip_vision

    from consistentid.face.photo import open_photo
    from consistentid.headless.clip_vision import ClipVision, load_clip_vision
    from consistentid.identity.encode import encode_images

    folder = Path(inspect.getfile(comfy.clip_vision)).parent
    config = json.loads((folder / "clip_vision_config_h.json").read_text())
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config | {"num_hidden_layers": 2, "intermediate_size": 1280}))
    theirs = comfy.clip_vision.ClipVisionModel(str(path))
    missing, _ = theirs.load_sd(load_file(files["clip_vision"] / "model.safetensors"))
    assert not missing
    pictures = [open_photo(photo), open_photo(photo)[:300]]
    expected = encode_images(host.nodes.identity.HostedClipVision(theirs), pictures)
    found = encode_images(ClipVision(load_clip_vision(files["clip_vision"], SD15)), pictures)
    assert all(difference(*pair) <= 1e-3 for pair in zip(found, expected, strict=True))
