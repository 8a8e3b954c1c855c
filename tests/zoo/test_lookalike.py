"""Drawn people that look like a photo."""

from dataclasses import fields

import numpy as np
import pytest

from consistentid.caption.traits import load_trait_reader, read_traits
from consistentid.model_files.small_models import find_trait_reader
from zoo.drawn_faces import choose_lookalike, choose_scene, describe_chances, draw_lookalike, draw_portrait, sample_person
from zoo.recipe.traits import PERSON_TRAITS

TOLD = {trait.name: trait.name.replace(" ", "_") for trait in PERSON_TRAITS if trait.name != "eye size"}


def tell(person, share=0.9):
    """The chances of a reader that knows the person."""
    chances = {}
    for trait in PERSON_TRAITS:
        right = getattr(person, TOLD[trait.name]) if trait.name in TOLD else "usual"
        rest = (1 - share) / (len(trait.classes) - 1)
        chances[trait.name] = {name: share if name == right else rest for name in trait.classes}
    return chances


@pytest.mark.parametrize("seed", range(12))
def test_what_is_told_is_drawn(seed):
    person = sample_person(seed, held_out=True)
    like = choose_lookalike(tell(person))
    assert {name: getattr(like, name) for name in TOLD.values()} == {
        name: getattr(person, name) for name in TOLD.values()
    }
    assert {one.name for one in fields(like)} >= set(TOLD.values())


def test_nobody_wears_what_their_kind_does_not():
    chances = tell(next(person for person in map(sample_person, range(99)) if person.kind == "woman"))
    chances["beard"] = {name: float(name == "full beard") for name in chances["beard"]}
    chances["hair"] = {name: {"mohawk": 0.6, "bob": 0.3}.get(name, 0.0) for name in chances["hair"]}
    like = choose_lookalike(chances)
    assert (like.beard, like.hair) == ("none", "bob")


def test_what_is_rare_needs_to_be_surer():
    chances = tell(sample_person(1))
    for blue, brown, chosen in ((0.6, 0.4, "brown"), (0.95, 0.05, "blue")):
        chances["hair colour"] = {name: {"blue": blue, "brown": brown}.get(name, 0.0) for name in chances["hair colour"]}
        assert choose_lookalike(chances).hair_colour == chosen


def test_the_drawing_is_sharp_at_any_size():
    person = sample_person(5)
    small, large = (draw_lookalike(person, side).image for side in (128, 512))
    assert small.shape == (128, 128, 3) and large.shape == (512, 512, 3)
    halved = large.reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 6


def test_the_report_says_how_surely():
    told = describe_chances({"hair colour": {"brown": 0.8, "black": 0.2}, "glasses": {"none": 0.4, "round": 0.6}})
    assert told == "Told from the photo: hair colour brown (80%), glasses round (60%)."


def test_the_reader_that_comes_with_the_pack_knows_held_out_people():
    reader = load_trait_reader(find_trait_reader())
    right = {name: 0 for name in ("kind", "skin", "glasses", "beard", "hair colour")}
    for seed in range(40):
        person = sample_person(seed, held_out=True)
        shown = draw_portrait(person, choose_scene(seed, 1, 0, held_out=True), 256)
        told = read_traits(reader, shown.image, shown.box)
        for name in right:
            right[name] += max(told[name], key=told[name].get) == getattr(person, TOLD[name])
    assert right["kind"] >= 36 and right["glasses"] >= 36 and right["hair colour"] >= 26 and right["skin"] >= 26
