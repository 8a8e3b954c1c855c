"""Beside other nodes that change a MODEL: the picture is that of a plain way to draw the person, with their change."""

import pytest
import torch

pytestmark = pytest.mark.host


def free_u(model):
    from comfy_extras.nodes_freelunch import FreeU

    return FreeU().patch(model, 1.1, 1.2, 0.9, 0.2)[0]


def free_u_v2(model):
    from comfy_extras.nodes_freelunch import FreeU_V2

    return FreeU_V2().patch(model, 1.3, 1.4, 0.9, 0.2)[0]


def perturbed_attention(model):
    from comfy_extras.nodes_pag import PerturbedAttentionGuidance

    return PerturbedAttentionGuidance.execute(model, 3.0).result[0]


def self_attention_guidance(model):
    from comfy_extras.nodes_sag import SelfAttentionGuidance

    return SelfAttentionGuidance.execute(model, 0.7, 2.0).result[0]


def rescale_cfg(model):
    from comfy_extras.nodes_model_advanced import RescaleCFG

    return RescaleCFG().patch(model, 0.7)[0]


def deep_shrink(model):
    from comfy_extras.nodes_model_downscale import PatchModelAddDownscale

    return PatchModelAddDownscale.execute(model, 3, 2.0, 0.0, 0.5, True, "bicubic", "bicubic").result[0]


def hypertile(model):
    from comfy_extras.nodes_hypertile import HyperTile

    return HyperTile.execute(model, 32, 2, 0, False)[0]


def merge_tokens(model):
    from comfy_extras.nodes_tomesd import TomePatchModel

    return TomePatchModel.execute(model, 0.5).result[0]


def lcm_sampling(model):
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

    return ModelSamplingDiscrete().patch(model, "lcm", False)[0]


def differential_diffusion(model):
    from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion

    return DifferentialDiffusion.execute(model).result[0]


CHANGES = [
    free_u,
    free_u_v2,
    perturbed_attention,
    self_attention_guidance,
    rescale_cfg,
    deep_shrink,
    hypertile,
    merge_tokens,
    lcm_sampling,
]


@pytest.fixture(scope="module")
def alone(portrait, run):
    """The picture with nothing but this pack."""
    return run.sample(portrait.apply(), portrait.make_conditions())


@pytest.mark.parametrize("change", CHANGES)
def test_with_another_change_of_the_model(portrait, run, alone, change, host, monkeypatch):
    sampler = "lcm" if change is lcm_sampling else "euler"

    def sample(model, conditions):
        return run.sample(model, conditions, sampler=sampler)

    conditions, plain = portrait.make_conditions(), portrait.make_plain_conditions()
    without_us = sample(change(portrait.model), plain)
    seen = run.watch(host, monkeypatch, portrait.model)
    both = sample(change(portrait.apply()), conditions)
    assert {text for text, _ in seen} == {1.0, 2.0, -1.0}
    assert all(drawn == (text > 0) for text, drawn in seen)
    assert run.differ(both, sample(change(portrait.apply_plainly()), plain)) < 1e-3
    assert torch.equal(both, sample(portrait.apply(change(portrait.model)), conditions))
    assert run.differ(both, alone) > 1e-2, "their change has no effect"
    assert run.differ(both, without_us) > 1e-2, "the person has no effect"
    assert torch.equal(sample(change(portrait.model), plain), without_us)


def test_differential_diffusion(portrait, run):
    """A mask of many levels: each pixel is let go at its own step."""
    mask = torch.linspace(0, 1, 16).expand(1, 16, 16)
    latent = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    both, plainly = (
        run.sample(differential_diffusion(model), conditions, latent=latent, mask=mask)
        for model, conditions in (
            (portrait.apply(), portrait.make_conditions()),
            (portrait.apply_plainly(), portrait.make_plain_conditions()),
        )
    )
    assert run.differ(both, plainly) < 1e-3
    assert torch.allclose(both[..., 0], latent[..., 0], atol=1e-5)
    assert run.differ(both[..., -1], latent[..., -1]) > 1e-2


def test_compiled_model(portrait, run):
    """Dynamo follows the patch without error, and a second run compiles nothing."""
    import torch._dynamo
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    conditions = portrait.make_conditions()
    model = portrait.apply()
    compiled = model.clone()
    block = "diffusion_model.input_blocks.1.1.transformer_blocks.0"
    set_torch_compile_wrapper(compiled, backend="eager", keys=[block])
    counters = torch._dynamo.utils.counters["frames"]
    before = counters["ok"]
    expected = run.sample(model, conditions)
    first = run.sample(compiled, conditions)
    after = counters["ok"]
    assert after > before
    assert run.differ(first, expected) < 1e-4
    assert torch.equal(run.sample(compiled, conditions), first)
    assert counters["ok"] == after
    assert torch.equal(run.sample(model, conditions), expected)
