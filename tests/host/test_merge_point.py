"""Which conditioning each step of a real sampler sees."""

import pytest
import torch

pytestmark = pytest.mark.host

TEXT, FACIAL = 1.0, 2.0


@pytest.fixture(scope="module")
def model(host, tiny):
    hosted, identity = tiny.make_adapter(host, torch.zeros(2, 4, 768))
    return host.nodes.model.patching.apply_adapter(tiny.make_model(), hosted, identity)


@pytest.fixture
def positive(host):
    texts, facial = ([[torch.full((1, 77, 768), value), {}]] for value in (TEXT, FACIAL))
    return host.nodes.text.conditioning.split_stages(texts, facial, 0.5)


def record(model, positive, sampler, scheduler, steps, denoise=1.0, sigmas=None):
    """(sigma, stages seen) of every evaluation of the UNet, and the schedule."""
    import comfy.sample
    import comfy.samplers

    seen = []

    def spy(apply_model, arguments):
        context = arguments["c"]["c_crossattn"]
        rows = [row for row, kind in enumerate(arguments["cond_or_uncond"]) if kind == 0]
        seen.append((float(arguments["timestep"][0]), [float(context[row, 0, 0]) for row in rows]))
        return torch.zeros_like(arguments["input"])

    spied = model.clone()
    spied.set_model_unet_function_wrapper(spy)
    schedule = comfy.samplers.KSampler(spied, steps, "cpu", sampler, scheduler, denoise).sigmas
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    comfy.sample.sample_custom(
        spied,
        noise,
        5.0,
        comfy.samplers.sampler_object(sampler),
        schedule if sigmas is None else sigmas,
        positive,
        [[torch.zeros(1, 77, 768), {}]],
        torch.zeros_like(noise),
        disable_pbar=True,
        seed=0,
    )
    merged = {}
    for sigma, stages in seen:
        merged.setdefault(sigma, []).extend(stages)
    return merged, schedule


COMBINATIONS = [
    ("euler", "normal"),
    ("euler", "karras"),
    ("euler_ancestral", "simple"),
    ("dpmpp_2m", "karras"),
    ("dpmpp_2m_sde", "sgm_uniform"),
    ("dpmpp_sde", "karras"),
    ("dpm_2", "normal"),
    ("heun", "exponential"),
    ("uni_pc", "normal"),
    ("ddim", "ddim_uniform"),
    ("lcm", "sgm_uniform"),
]


@pytest.mark.parametrize(("sampler", "scheduler"), COMBINATIONS)
@pytest.mark.parametrize("denoise", [1.0, 0.5])
def test_exact_step_in_every_sampler(host, model, positive, sampler, scheduler, denoise):
    """Steps 0..k see the text alone, later steps the facial tokens, no evaluation sees both."""
    steps, last_text_step = 8, 4
    conds = host.nodes.sampler.set_merge_step(positive, last_text_step)
    seen, sigmas = record(model, conds, sampler, scheduler, steps, denoise)
    assert all(len(set(stages)) == 1 for stages in seen.values())
    for sigma, stages in seen.items():
        step = int((sigmas > sigma * 1.0001).sum())
        at_a_step = abs(float(sigmas[min(step, len(sigmas) - 1)]) - sigma) <= 1e-3 * sigma
        if at_a_step:
            assert stages[0] == (TEXT if step <= last_text_step else FACIAL), (step, sigma)
        elif step <= last_text_step:
            assert stages[0] == TEXT, (step, sigma)


@pytest.mark.parametrize(("steps", "last_text_step"), [(1, -1), (2, 0), (4, 2), (10, 5), (50, 25)])
def test_fraction_becomes_a_step(model, positive, steps, last_text_step):
    seen, sigmas = record(model, positive, "euler", "normal", steps)
    stages = [seen[float(sigma)][0] for sigma in sigmas[:-1]]
    assert stages == [TEXT] * min(last_text_step + 1, steps) + [FACIAL] * max(steps - last_text_step - 1, 0)


@pytest.mark.parametrize(("step", "stage"), [(-1, FACIAL), (100, TEXT)])
def test_ends(host, model, positive, step, stage):
    conds = host.nodes.sampler.set_merge_step(positive, step)
    seen, _ = record(model, conds, "euler", "normal", 5)
    assert {value for stages in seen.values() for value in stages} == {stage}


def test_own_sigmas(model, positive):
    """A schedule from another node counts its own steps."""
    sigmas = torch.tensor([14.0, 5.0, 2.0, 0.4, 0.0])
    seen, _ = record(model, positive, "euler", "normal", 4, sigmas=sigmas)
    assert [seen[float(sigma)][0] for sigma in sigmas[:-1]] == [TEXT, TEXT, TEXT, FACIAL]


def test_without_the_adapter_percentages_still_switch(tiny, positive):
    seen, sigmas = record(tiny.make_model(), positive, "euler", "normal", 10)
    stages = [seen[float(sigma)][0] for sigma in sigmas[:-1]]
    assert stages == sorted(stages) and set(stages) == {TEXT, FACIAL}


def test_sampler_node_equals_ksampler_with_the_same_merge_point(host, model, positive):
    """Step 4 of 8 and the fraction 0.5 of 8 steps are the same point, so both samplers draw the same latent."""
    import nodes

    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    negative = [[torch.zeros(1, 77, 768), {}]]
    settings = (model, 7, 8, 5.0, "euler", "normal")
    ours = host.nodes.sampler.SamplePortrait.execute(*settings, 4, positive, negative, latent, 1.0).result[0]
    theirs = nodes.KSampler().sample(*settings, positive, negative, latent, 1.0)[0]
    other = host.nodes.sampler.SamplePortrait.execute(*settings, 1, positive, negative, latent, 1.0).result[0]
    assert torch.equal(ours["samples"], theirs["samples"])
    assert not torch.equal(ours["samples"], other["samples"])


@pytest.mark.parametrize("watched", [False, True])
def test_sampler_node_needs_the_adapter(host, tiny, positive, watched):
    def sample(model):
        if watched:
            model = host.nodes.attention.WatchAttention.execute(model).args[0]
        latent = {"samples": torch.zeros(1, 4, 8, 8)}
        host.nodes.sampler.SamplePortrait.execute(
            model, 0, 2, 5.0, "euler", "normal", 0, positive, positive, latent, 1.0
        )

    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match="Apply ConsistentID"):
        sample(tiny.make_model())
    hosted, identity = tiny.make_adapter(host, torch.zeros(2, 4, 768))
    sample(host.nodes.model.patching.apply_adapter(tiny.make_model(), hosted, identity, 0.0, 0.0))


def test_a_range_of_the_users_is_kept(host, model, positive):
    """ConditioningSetTimestepRange on our conditioning: inside its range it still switches at the merge point."""
    import nodes

    (ranged,) = nodes.ConditioningSetTimestepRange().set_range(positive, 0.0, 0.7)
    other = [[torch.full((1, 77, 768), 3.0), {}]]
    (rest,) = nodes.ConditioningSetTimestepRange().set_range(other, 0.7, 1.0)
    seen, sigmas = record(model, ranged + rest, "euler", "normal", 10)
    stages = [seen[float(sigma)] for sigma in sigmas[:-1]]
    assert stages[0] == [TEXT] and stages[-1] == [3.0]
    assert [FACIAL] in stages and stages == sorted(stages)


def test_clip_hook_schedules_keep_the_merge_point(model, positive):
    for entry in positive:
        entry[1] |= {"clip_start_percent": 0.0, "clip_end_percent": 1.0}
    seen, sigmas = record(model, positive, "euler", "normal", 10)
    assert [seen[float(sigma)] for sigma in sigmas[:-1]] == [[TEXT]] * 6 + [[FACIAL]] * 4


def test_noising_sees_each_level_as_denoising_does(model, positive):
    sigmas = torch.tensor([14.0, 9.0, 5.0, 2.0, 0.4])
    down, _ = record(model, positive, "euler", "normal", 4, sigmas=sigmas)
    up, _ = record(model, positive, "euler", "normal", 4, sigmas=sigmas.flip(0))
    shared = [float(sigma) for sigma in sigmas[1:-1]]
    assert [up[sigma] for sigma in shared] == [down[sigma] for sigma in shared]


@pytest.mark.parametrize(("merge_step", "warns"), [(30, True), (24, True), (23, False), (-1, False)])
def test_facial_tokens_that_never_act_are_told(host, model, positive, tiny, caplog, merge_step, warns):
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    settings = (0, 25, 1.0, "euler", "normal", merge_step, positive, [[torch.zeros(1, 77, 768), {}]], latent, 0.01)
    host.nodes.sampler.SamplePortrait.execute(model, *settings)
    assert ("facial tokens never act" in caplog.text) is warns
