"""What is told of two people in one picture, on pictures of which the answer is known."""

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="diffusers is not installed: pip install diffusers accelerate peft")

from zoo.drawn_faces import EXAMPLE_SCENES, choose_scene, draw_portrait, is_held_out, name_person, sample_person
from zoo.drawn_faces.palette import FABRIC, SKIN
from zoo.recipe import pairs
from zoo.recipe.pairs import APART, CELLS, SCORES, Case, Studio, choose_colours, choose_pairs, make_cases, write_table


@pytest.fixture(scope="module")
def studio(zoo_models):
    return Studio(zoo_models, zoo_models / "face")


@pytest.fixture(scope="module")
def seeds():
    return choose_pairs(3)


@pytest.fixture(scope="module")
def met(studio, seeds):
    return [studio.meet(seed) for seed in seeds[1]]


def test_pairs_are_of_one_kind_and_their_skins_differ(seeds):
    assert len({seed for pair in seeds for seed in pair}) == 6
    for pair in seeds:
        one, two = (sample_person(seed, held_out=True) for seed in pair)
        assert is_held_out(one) and is_held_out(two) and name_person(one) == name_person(two)
        assert abs(np.mean(SKIN[one.skin]) - np.mean(SKIN[two.skin])) > APART


def test_both_orders_wear_the_same(met):
    first, second = make_cases(7, met)
    assert first.pair == second.pair[::-1] and first.colours == second.colours[::-1] == choose_colours(7)
    assert first.seed != second.seed
    red, blue = first.colours
    assert f"<A> {met[0].name} wearing a {red} hoodie, <B> {met[1].name} wearing a {blue} hoodie" in first.prompt
    assert np.abs(np.subtract(FABRIC[red], FABRIC[blue])).sum() > 2 * APART


def test_a_drawn_pair_is_told_from_the_exchanged_one(studio, met, seeds):
    """Photos side by side that none of the measures has seen."""
    shown, colours = [], []
    for seed in seeds[1]:
        scenes = [choose_scene(seed, EXAMPLE_SCENES, number, held_out=True) for number in range(50, 99)]
        scene = next(one for one in scenes if one.hat == "none" and one.light == "daylight")
        shown.append(draw_portrait(sample_person(seed, held_out=True), scene, 128).image)
        colours.append(scene.clothes_colour)
    picture = np.concatenate(shown, axis=1)
    right = studio.tell(picture, tuple(met), tuple(colours))
    wrong = studio.tell(picture, tuple(met[::-1]), tuple(colours[::-1]))
    for name in ("both found", "nearer to its own", "own skin"):
        assert right[name] == 1, name
    assert right["likeness"] > right["likeness to the other"] + 0.2 and right["skin off by"] < wrong["skin off by"]
    assert wrong["nearer to its own"] == wrong["own skin"] == 0
    nobody = studio.tell(np.zeros_like(picture), tuple(met), ("red", "blue"))
    assert nobody == dict.fromkeys(SCORES[:-1], 0.0)


def test_cells_differ_in_where_words_act(studio, met, monkeypatch):
    monkeypatch.setattr(pairs, "STEPS", 1)
    cases = [Case(0, tuple(met), "in a forest, <A> a man in a red hoodie, <B> a man", ("red", "blue"), 1)]
    pictures = [studio.draw(cases, whole)[0] for whole in CELLS.values()]
    assert pictures[0].shape == (128, 256, 3) and not np.array_equal(*pictures)


def test_table():
    rows = [(str(pair), dict.fromkeys(SCORES, float(pair % 2))) for pair in range(6)]
    table = write_table({"cell": rows, "other": rows[:1]})
    assert "| cell | 6 | 0.50 (0." in table and "| other | 1 | 0.00 (0.00 to 0.00)" in table
