"""The small base model in ComfyUI computes what it computes in diffusers and transformers."""

import importlib

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host
PROMPT = "a woman wearing a red hoodie, in a forest Detail: oval face with fair skin"


@pytest.fixture(scope="module")
def small_model(host):
    return importlib.import_module(f"{host.__name__}.nodes.small_model")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The recipe's untrained pipeline with random weights, and the folder it was saved to."""
    import diffusers

    from zoo.recipe.base_model import UNET, build_pipeline
    from zoo.recipe.language import make_text_encoder, read_tokenizer, write_tokenizer

    folder = tmp_path_factory.mktemp("small")
    write_tokenizer(folder / "words", [PROMPT])
    tokenizer = read_tokenizer(folder / "words")
    torch.manual_seed(0)
    text_encoder = make_text_encoder(tokenizer).half().float()  # ComfyUI computes it from weights in float16
    parts = {"unet": diffusers.UNet2DConditionModel(**UNET).eval(), "text_encoder": text_encoder.eval()}
    pipeline = build_pipeline(parts, diffusers.AutoencoderTiny().eval(), tokenizer)
    pipeline.save_pretrained(folder / "base")
    return pipeline, folder / "base"


def test_unet(small_model, pipeline):
    pipeline, folder = pipeline
    model = small_model.load_unet(folder / "unet")
    noisy, times = torch.randn(2, 4, 16, 16), torch.tensor([3, 700])
    text = torch.randn(2, 77, pipeline.unet.config.cross_attention_dim)
    with torch.inference_mode():
        expected = pipeline.unet(noisy, times, text).sample
        result = model.model.diffusion_model(noisy, times, context=text)
    assert (result - expected).abs().max() < 1e-4 * expected.abs().max()


def test_text(small_model, pipeline):
    pipeline, folder = pipeline
    clip = small_model.load_clip(folder / "text_encoder", folder / "tokenizer")
    conditioning = clip.encode_from_tokens_scheduled(clip.tokenize(PROMPT))
    tokens = pipeline.tokenizer(PROMPT, padding="max_length", return_tensors="pt").input_ids
    with torch.inference_mode():
        expected = pipeline.text_encoder(tokens).last_hidden_state
    assert (conditioning[0][0] - expected).abs().max() < 1e-4


def test_pictures_through_the_autoencoder(small_model, pipeline):
    pipeline, folder = pipeline
    vae = small_model.load_vae(folder / "vae")
    picture = torch.from_numpy(np.random.default_rng(0).random((1, 64, 64, 3), dtype=np.float32))
    pixels = picture.permute(0, 3, 1, 2) * 2 - 1
    with torch.inference_mode():
        expected = pipeline.vae.encode(pixels).latents
        drawn = pipeline.vae.decode(expected).sample
    latents = vae.encode(picture)
    assert (latents * small_model.LATENT_SCALE - expected).abs().max() < 1e-4
    expected_picture = ((drawn + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)
    assert (vae.decode(latents) - expected_picture).abs().max() < 1e-4


def test_features_of_pictures(small_model, tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=192, intermediate_size=384, num_hidden_layers=4, num_attention_heads=3, projection_dim=64,
        patch_size=28,
    )  # fmt: skip
    model = CLIPVisionModelWithProjection(config).eval()
    model.half().save_pretrained(tmp_path)  # ComfyUI computes it from weights in float16
    model.float()
    clip_vision = small_model.load_clip_vision(tmp_path)
    pixels = torch.randint(0, 256, (1, 224, 224, 3)) / 255
    with torch.inference_mode():
        normalised = (pixels - torch.tensor(clip_vision.image_mean)) / torch.tensor(clip_vision.image_std)
        expected = model(normalised.permute(0, 3, 1, 2), output_hidden_states=True).hidden_states[-2]
    found = clip_vision.encode_image(pixels)["penultimate_hidden_states"]
    assert found.shape == (1, 65, 192)
    assert (found - expected).abs().max() < 2e-3
