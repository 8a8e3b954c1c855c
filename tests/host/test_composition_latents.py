"""Other starts than an empty latent: batches, img2img, a second pass, inpainting; and decoding afterwards."""

from types import SimpleNamespace

import pytest
import torch

pytestmark = pytest.mark.host


def randn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def compare(portrait, run, edit=lambda conditions: conditions, **options):
    """A latent, after comparing it with the plain way to draw the person."""
    both = run.sample(portrait.apply(), edit(portrait.make_conditions()), **options)
    plain = portrait.make_plain_conditions()
    assert run.differ(both, run.sample(portrait.apply_plainly(), edit(plain), **options)) < 1e-3
    return both


def test_batch_of_different_latents(portrait, run):
    """Each picture of a batch is the one it would be alone."""
    latent, noise = randn(3, 4, 16, 16), randn(3, 4, 16, 16, seed=2)
    together = compare(portrait, run, latent=latent, noise=noise)
    for row in range(3):
        alone = run.sample(
            portrait.apply(), portrait.make_conditions(), latent=latent[row : row + 1], noise=noise[row : row + 1]
        )
        assert run.differ(together[row : row + 1], alone) < 1e-3


def test_image_to_image(portrait, run):
    latent = randn(1, 4, 16, 24)
    both = compare(portrait, run, latent=latent, sigmas=run.SIGMAS[1:])
    assert run.differ(both, run.sample(portrait.apply(), portrait.make_conditions(), latent=latent * 0)) > 1e-2


@pytest.mark.parametrize("steps", [4, 7])
def test_second_pass_has_its_own_merge_point(host, portrait, run, steps, monkeypatch):
    """Hires fix: another size and denoise below 1, the person applied again with another weight."""
    import comfy.samplers

    import nodes

    conditions = portrait.make_conditions()
    first = portrait.apply()
    second = portrait.apply(portrait.model, 0.7)
    settings = (5, steps, 4.0, "euler", "karras")
    small = nodes.common_ksampler(first, *settings, *conditions, {"samples": torch.zeros(1, 4, 8, 8)})[0]
    (large,) = nodes.LatentUpscale().upscale(small, "bislerp", 192, 128, "disabled")
    seen = run.watch(host, monkeypatch, portrait.model)
    result = nodes.common_ksampler(second, *settings, *conditions, large, 0.5)[0]["samples"]
    assert result.shape == (1, 4, 16, 24)
    texts = [text for text, drawn in seen if drawn]
    last_text_step = host.consistentid.merge.merge_step(0.5, steps)
    assert texts == [1.0] * 16 * (last_text_step + 1) + [2.0] * 16 * (steps - last_text_step - 1)
    sigmas = comfy.samplers.KSampler(second, steps, "cpu", "euler", "karras", 0.5).sigmas
    assert len(sigmas) == steps + 1 and sigmas[0] < 5
    border = float(sigmas[last_text_step : last_text_step + 2].mean())
    plain = nodes.common_ksampler(
        portrait.apply_plainly(), *settings, *portrait.make_plain_conditions(border), large, 0.5
    )[0]["samples"]
    same_weight = nodes.common_ksampler(first, *settings, *conditions, large, 0.5)[0]["samples"]
    assert run.differ(same_weight, plain) < 1e-3
    assert run.differ(result, same_weight) > 1e-3


def test_a_masked_latent_stays_outside_the_mask(portrait, run):
    import nodes

    mask = torch.zeros(1, 128, 128)
    mask[:, 32:, :64] = 1
    (masked,) = nodes.SetLatentNoiseMask().set_mask({"samples": randn(1, 4, 16, 16)}, mask)
    both = compare(portrait, run, latent=masked["samples"], mask=masked["noise_mask"])
    outside = torch.ones(16, 16, dtype=bool)
    outside[4:, :8] = False
    assert torch.allclose(both[..., outside], masked["samples"][..., outside], atol=1e-5)
    assert run.differ(both[..., 8:, :6], masked["samples"][..., 8:, :6]) > 1e-2


def make_inpainting_model(tiny):
    """The tiny UNet with the five more channels of an inpainting model: mask and masked picture."""
    import comfy.model_patcher
    import full_size

    layout = full_size.make_layout("sd15", torch.float32, model_channels=32, in_channels=9)
    model = full_size.make_config(layout).get_model({}, device="cpu")
    state = tiny.make_model().model.diffusion_model.state_dict()
    state["input_blocks.0.0.weight"] = torch.cat([state["input_blocks.0.0.weight"], randn(32, 5, 3, 3) * 0.3], dim=1)
    model.diffusion_model.load_state_dict(state, strict=True)
    return comfy.model_patcher.ModelPatcher(model.eval(), torch.device("cpu"), torch.device("cpu"))


def test_inpainting_model(host, tiny, portrait, run, monkeypatch):
    import nodes

    vae = SimpleNamespace(encode=lambda pixels: randn(1, 4, 16, 16) * float(pixels.mean()))
    pixels = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(4))
    mask = torch.zeros(1, 128, 128)
    mask[:, 32:96, 32:96] = 1

    def draw(model, conditions, hole=mask):
        positive, negative, latent = nodes.InpaintModelConditioning().encode(*conditions, pixels, vae, hole)
        result = run.sample(model, (positive, negative), latent=latent["samples"], mask=latent["noise_mask"])
        return result, latent["samples"]

    ours, twin = make_inpainting_model(tiny), make_inpainting_model(tiny)
    plain = portrait.make_plain_conditions()
    seen = run.watch(host, monkeypatch, ours)
    both, latent = draw(portrait.apply(ours), portrait.make_conditions())
    assert {text for text, _ in seen} == {1.0, 2.0, -1.0} and all(drawn == (text > 0) for text, drawn in seen)
    assert run.differ(both, draw(portrait.apply_plainly(twin), plain)[0]) < 1e-3
    assert run.differ(both, draw(ours, plain)[0]) > 1e-2
    assert torch.allclose(both[..., :4, :], latent[..., :4, :], atol=1e-5)
    whole, _ = draw(portrait.apply(ours), portrait.make_conditions(), torch.ones(1, 128, 128))
    assert run.differ(both, whole) > 1e-2


def test_tiled_decoding_is_not_changed(checkpoint, adapter, make_identity, host):
    import nodes

    model, _, vae = checkpoint
    latent = {"samples": randn(1, 4, 40, 40)}
    decode = nodes.VAEDecodeTiled().decode
    before = decode(vae, latent, 128, 32)[0]
    patched = host.nodes.model.patching.apply_adapter(model, adapter, make_identity())
    text = [[randn(1, 77, 768), {}]]
    drawn = nodes.common_ksampler(
        patched, 1, 1, 1.0, "euler", "normal", text, text, {"samples": torch.zeros(1, 4, 8, 8)}
    )[0]
    assert torch.equal(decode(vae, latent, 128, 32)[0], before)
    assert decode(vae, drawn, 128, 32)[0].shape == (1, 64, 64, 3)
