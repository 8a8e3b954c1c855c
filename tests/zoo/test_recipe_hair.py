"""What hair adds: who is drawn, whose hair they get, and how its colour is told."""

import numpy as np
import pytest
import torch

from consistentid.identity import Identity
from zoo.drawn_faces import draw_portrait, is_held_out
from zoo.drawn_faces.palette import HAIR
from zoo.recipe.hair import (
    CELLS,
    PROMPTS,
    UNLIKE,
    Seen,
    choose_sitters,
    draw_hair,
    find_other,
    measure_hair,
    vary,
    write_row,
)


def test_people_are_held_out_and_show_their_hair():
    sitters = choose_sitters(12)
    assert len({sitter.seed for sitter in sitters}) == 12
    for number, sitter in enumerate(sitters):
        assert is_held_out(sitter.person) and sitter.person.hair != "bald"
        assert len(sitter.scenes) == PROMPTS and sitter.photo not in sitter.scenes
        assert {scene.hat for scene in (sitter.photo, *sitter.scenes)} == {"none"}
        other = sitters[find_other(number, sitters)]
        mine, theirs = (np.array(HAIR[one.person.hair_colour], float) for one in (sitter, other))
        assert np.linalg.norm(mine - theirs) >= UNLIKE


def test_the_cells_differ_in_hair_alone():
    keys = ("Face", "Nose", "Brows", "Hair")
    one, other = (Identity(torch.zeros(1), torch.zeros(1), {key: object() for key in keys}) for _ in range(2))
    bare, whole, changed = (vary(one, other)[cell].region_features for cell in CELLS)
    assert list(bare) == ["Face", "Nose"] and whole == one.region_features
    assert changed == one.region_features | {"Hair": other.region_features["Hair"]}


def test_colours_are_those_of_hair():
    (sitter,) = choose_sitters(1)
    portrait = draw_portrait(sitter.person, sitter.scenes[0], 256)
    true = draw_hair(sitter.person, sitter.scenes[0])
    assert measure_hair(portrait.image, portrait.labels) == pytest.approx(true)
    assert measure_hair(portrait.image, portrait.labels[::2, ::2]) == pytest.approx(true, abs=5), "a smaller label map"
    assert measure_hair(portrait.image, portrait.labels * 0) is None


def test_a_row():
    found = [Seen(CELLS[0], str(person), 10.0 + person, 50.0) for person in (0, 0, 1)]
    row = write_row("title", found)
    assert write_row("nobody", []) == "| nobody | 0 |  |  |"
    assert row.startswith("| title | 3 | 10.3 (") and row.endswith("| 50.0 (50.0 to 50.0) |")
