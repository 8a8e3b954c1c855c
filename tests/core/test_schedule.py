"""When and where in the UNet ID tokens act."""

import math

import pytest

from consistentid.adapter.config import SD15, SDXL
from consistentid.adapter.schedule import EASINGS, Schedule, find_progress
from consistentid.adapter.sites import list_sites
from consistentid.errors import ConsistentIDError


def test_constant_by_default():
    schedule = Schedule()
    assert schedule.is_constant
    assert [schedule.at_progress(step / 10) for step in range(10)] == [1.0] * 10
    assert {schedule.at_group(site.group) for site in list_sites(SD15)} == {1.0}


def test_start_is_inside_and_end_is_not():
    schedule = Schedule(start=0.2, end=0.5)
    assert not schedule.is_constant
    assert [step for step in range(10) if schedule.at_progress(step / 10)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("easing", "values"),
    [
        ("constant", [1, 1, 1]),
        ("ease in", [0, 0.5, (1 + math.cos(math.pi / 4)) / 2]),
        ("ease out", [1, 0.5, (1 - math.cos(math.pi / 4)) / 2]),
        ("ease in and out", [0, 1, 0.5]),
    ],
)
def test_easing(easing, values):
    schedule = Schedule(start=0.2, end=0.6, easing=easing)
    found = [schedule.at_progress(progress) for progress in (0.2, 0.4, 0.5)]
    assert found == pytest.approx(values, abs=1e-9)
    assert schedule.at_progress(0.1) == schedule.at_progress(0.6) == 0


@pytest.mark.parametrize("easing", EASINGS)
def test_factors_stay_between_0_and_1(easing):
    schedule = Schedule(start=0.1, end=0.9, easing=easing)
    assert all(0 <= schedule.at_progress(step / 100) <= 1 for step in range(101))


@pytest.mark.parametrize("fields", [{"easing": "linear"}, {"start": 0.5, "end": 0.5}, {"start": -0.1}, {"end": 1.2}])
def test_bad_schedules(fields):
    with pytest.raises(ConsistentIDError):
        Schedule(**fields)


@pytest.mark.parametrize(
    ("sigma", "progress"), [(8.0, 0), (7.9, 0), (4.0, 0.25), (2.5, 0.25), (1.0, 0.75), (0.5, 0.75), (0.0, 0.75), (9, 0)]
)
def test_progress(sigma, progress):
    assert find_progress([8.0, 4.0, 2.0, 1.0, 0.0], sigma) == progress
    assert find_progress([8.0, 4.0, 2.0, 1.0, 0.0], sigma * (1 + 1e-6)) == progress


def test_groups_follow_the_resolution():
    """Every group at every UNet; composition holds the middle block, detail the first and last blocks."""
    for config, first in ((SD15, ("input", 1)), (SDXL, ("input", 4))):
        groups = {site.block: site.group for site in list_sites(config)}
        assert groups[("middle", 0)] == "composition"
        assert groups[first] == "detail"
        assert set(groups.values()) == {"composition", "structure", "detail"}
    sd15 = {site.block: site.group for site in list_sites(SD15)}
    assert [sd15[("input", n)] for n in (1, 2, 4, 5, 7, 8)] == [
        *["detail"] * 2,
        *["structure"] * 2,
        *["composition"] * 2,
    ]
    assert [sd15[("output", n)] for n in range(3, 12)] == [
        *["composition"] * 3,
        *["structure"] * 3,
        *["detail"] * 3,
    ]
    sdxl = {site.block: site.group for site in list_sites(SDXL)}
    assert [sdxl[("output", n)] for n in range(6)] == [*["structure"] * 3, *["detail"] * 3]
