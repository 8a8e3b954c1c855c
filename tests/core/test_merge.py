"""The merge point: which stage a step belongs to, on the schedules of the authors' loop and on made-up ones."""

import math

import pytest
from golden_data import read_case, read_tensors

from consistentid.merge import merge_sigma, merge_step

RUNS = read_case("denoise_tiny")["runs"]
KARRAS = [((14.6 ** (1 / 7)) * (1 - i / 19) + (0.03 ** (1 / 7)) * i / 19) ** 7 for i in range(20)] + [0.0]
SCHEDULES = {
    "karras": KARRAS,
    "linear": [float(20 - i) for i in range(21)],
    "steep": [80.0 * 0.3**i for i in range(12)] + [0.0],
    "4 steps": [14.6, 3.1, 1.0, 0.3, 0.0],
    "2 steps": [14.6, 1.0, 0.0],
    "1 step": [14.6, 0.0],
    "second half": KARRAS[10:],
    "not down to zero": KARRAS[:10],
}
schedules = pytest.mark.parametrize("sigmas", SCHEDULES.values(), ids=SCHEDULES)


def stage_of(sigma: float, border: float) -> str:
    """As a host applies it: text-only conditioning above the border, facial conditioning below it."""
    assert sigma != border, "both stages would run"
    return "text" if sigma > border else "augmented"


def stages(sigmas: list[float], step: int) -> list[str]:
    border = merge_sigma(sigmas, step)
    return [stage_of(sigma, border) for sigma in sigmas[:-1]]


@pytest.mark.parametrize("name", RUNS)
def test_stages_of_the_authors_loop(name):
    run = RUNS[name]
    assert len(run["sigmas"]) == run["num_inference_steps"] + 1
    assert stages(run["sigmas"], run["start_merge_step"]) == run["conditioning_used_per_step"]


def test_stages_of_the_authors_sdxl_loop():
    case = read_case("denoise_tiny_sdxl")
    sigmas = read_tensors("denoise_tiny_sdxl.safetensors")["sigmas"].tolist()
    facial = [i for i, stage in enumerate(stages(sigmas, case["start_merge_step"])) if stage == "augmented"]
    assert facial == case["augmented_steps"]


@schedules
def test_every_merge_step(sigmas):
    steps = len(sigmas) - 1
    for step in range(-1, steps + 3):
        expected = ["text" if i <= step else "augmented" for i in range(steps)]
        assert stages(sigmas, step) == expected, step


@schedules
def test_border_is_inside_the_gap_just_above_the_first_facial_step(sigmas):
    for step in range(len(sigmas) - 2):
        border, above, below = merge_sigma(sigmas, step), sigmas[step], sigmas[step + 1]
        assert below < border < above
        assert border < math.sqrt(above * below) or below == 0, "a sampler's half step still belongs to the step before"
        assert border < (above + below) / 2
        assert border - below > 1e-4 * below, "far enough for float32 noise levels"


@pytest.mark.parametrize("step", [-1, -5])
def test_before_the_first_step_all_are_facial(step):
    assert merge_sigma(KARRAS, step) > max(KARRAS) * 100


@pytest.mark.parametrize("step", [19, 20, 1000])
def test_from_the_last_step_on_none_is_facial(step):
    assert merge_sigma(KARRAS, step) < 0


def test_the_one_but_last_step_leaves_one_facial_step():
    assert stages(KARRAS, 18) == ["text"] * 19 + ["augmented"]


@pytest.mark.parametrize(
    ("fraction", "steps", "step"),
    [
        (0.6, 50, 30),
        (0.5, 50, 25),
        (0.0, 50, -1),
        (-0.1, 50, -1),
        (1.0, 50, 50),
        (0.6, 30, 18),
        (0.29, 100, 29),
        (0.1, 50, 5),
    ],
)
def test_fraction_to_step(fraction, steps, step):
    assert merge_step(fraction, steps) == step


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 20, 25, 50])
def test_fractions_round_to_the_nearest_step_and_never_go_back(steps):
    fractions = [i / 100 for i in range(1, 101)]
    found = [merge_step(fraction, steps) for fraction in fractions]
    nearest = [min(fraction * steps, steps - 2) if fraction < 1 else steps for fraction in fractions]
    assert all(abs(step - exact) <= 0.5 + 1e-9 for step, exact in zip(found, nearest, strict=True))
    assert found == sorted(found)


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 30])
def test_any_fraction_below_one_uses_facial_tokens(steps):
    assert all(merge_step(i / 100, steps) < steps - 1 for i in range(100))
    assert merge_step(1.0, steps) >= steps


@schedules
def test_ends_of_the_fraction(sigmas):
    steps = len(sigmas) - 1
    assert set(stages(sigmas, merge_step(0, steps))) == {"augmented"}
    assert set(stages(sigmas, merge_step(1, steps))) == {"text"}
