"""Every workflow has a tile, which shows it as it is; `python -m scripts.workflows.tiles` draws them anew."""

import numpy as np
import pytest
from PIL import Image

from scripts.workflows.files import NAMES, WORKFLOWS
from scripts.workflows.tiles.draw import BYTES, TEXTS, draw_tile, find_mark, find_schematic, list_stale
from scripts.workflows.tiles.results import RESULTS
from scripts.workflows.tiles.tile import SIDE, wrap

MOST_BYTES = 1_500_000
"""Of all tiles: they are in the zip that everyone downloads."""


def test_every_tile_shows_its_workflow_as_it_is():
    assert sorted(TEXTS) == NAMES
    assert list_stale() == [], "run: python -m scripts.workflows.tiles"


@pytest.mark.parametrize("name", NAMES)
def test_the_tile_is_a_small_square(name):
    path = WORKFLOWS / f"{name}.jpg"
    assert path.stat().st_size <= BYTES
    with Image.open(path) as tile:
        assert tile.format == "JPEG" and tile.size == (SIDE, SIDE)


def test_all_tiles_together_are_small():
    assert sum((WORKFLOWS / f"{name}.jpg").stat().st_size for name in NAMES) <= MOST_BYTES


def test_the_small_models_show_results_and_the_others_schematics():
    assert sorted(RESULTS) == [name for name in NAMES if name.endswith("_zoo")]
    assert all(callable(find_schematic(name)) for name in NAMES if name not in RESULTS)


@pytest.mark.parametrize("name", NAMES)
def test_the_words_fit(name):
    assert len(wrap(TEXTS[name]["title"], 38, SIDE - 48)) == 1
    assert len(wrap(TEXTS[name]["text"], 25, SIDE - 48)) <= 2


@pytest.mark.parametrize("name", ["two_people_sd15", "inpaint_controlnet_sd15"])
def test_a_schematic_is_drawn_again_as_it_is(name):
    """But for JPEG's losses, and rounding of another processor."""
    with Image.open(WORKFLOWS / f"{name}.jpg") as tile:
        there = np.asarray(tile.convert("RGB"), np.float32)
    assert np.abs(np.asarray(draw_tile(name), np.float32) - there).mean() < 4


def test_other_words_and_values_are_another_mark(monkeypatch):
    before = find_mark("mix_sd15")
    monkeypatch.setitem(TEXTS, "mix_sd15", TEXTS["mix_sd15"] | {"title": "Other"})
    assert find_mark("mix_sd15") != before and "mix_sd15" in list_stale()
