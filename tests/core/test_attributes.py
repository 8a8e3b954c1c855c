"""Words that change a person: where they stand in prompt and description, and what of the person gives way."""

from dataclasses import replace

import pytest
import torch

from consistentid.adapter.schedule import Schedule
from consistentid.attributes import ATTRIBUTES, Attribute, change_attributes, parse_change, write_caption, write_prompt
from consistentid.errors import ConsistentIDError
from consistentid.identity import Identity
from consistentid.prompt.mark import WORDS, mark_caption

REGIONS = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip", "Hair")
PERSON = Identity(torch.zeros(257, 1280), torch.zeros(257, 1280), {key: torch.zeros(257, 1280) for key in REGIONS})
TABLE = {"hair": Attribute("looks", "", ("hair",), weight=0.5, start=0.2), "age": Attribute("adjective", "", ("face",))}


@pytest.mark.parametrize(
    ("prompt", "words", "written"),
    [
        ("A woman in a park", {"age": "old"}, "An old woman in a park"),
        ("an elderly man", {"age": "young"}, "a young man"),
        ("an elderly man", {"gender": "woman"}, "an elderly woman"),
        ("photo of a woman, a man behind her", {"gender": "man"}, "photo of a man, a man behind her"),
        (
            "a woman wearing a hat",
            {"glasses": "glasses", "hair": "a bun"},
            "a woman with a bun and glasses wearing a hat",
        ),
        (
            "the man",
            {"beard": "a beard", "eyes": "blue eyes", "hair": "an afro"},
            "the man with an afro, blue eyes and a beard",
        ),
        ("a woman, in snow", {"expression": "smiling"}, "a woman, in snow, smiling"),
        ("manly portrait", {"age": "old", "hair": "grey hair"}, "manly portrait, old, with grey hair"),
        ("", {"expression": "smiling"}, "smiling"),
        ("a woman", {}, "a woman"),
        ("a old  man", {}, "a old  man"),
        ("a man-made lake, a woman", {"hair": "red hair"}, "a man-made lake, a woman with red hair"),
        ("embedding:woman, a man", {"hair": "red hair"}, "embedding:woman, a man with red hair"),
        ("a woman in a park", {"gender": "a man"}, "a man in a park"),
    ],
)
def test_words_stand_where_one_would_write_them(prompt, words, written):
    assert write_prompt(prompt, words) == written


def test_the_description_says_the_words_and_keeps_the_rest():
    caption = "oval face with fair skin, small ears, blue eyes, button nose, full mouth, thin eyebrows"
    words = {"age": "wrinkled", "beard": "a beard", "skin": "dark skin", "eyes": "green"}
    written = "wrinkled face with a beard and dark skin, small ears, green eyes, button nose, full mouth, thin eyebrows"
    assert write_caption(caption, words) == written
    assert write_caption(caption, {"eyes": "narrow green eyes"}).split(", ")[2] == "narrow green eyes"
    assert write_caption(caption, {"hair": "red hair"}) == caption
    assert mark_caption(written, REGIONS).unplaced == ("Hair",), "every region still has its word"


def test_the_person_gives_way_as_far_as_the_strength_says():
    person = replace(PERSON, strengths={"Face": 0.8, "Nose": 1.5})
    changed = change_attributes(person, "a woman", {"hair": "red hair", "age": "", "eyes": " "}, 1.0, TABLE)
    assert changed.identity.strengths == {"Face": 0.8, "Nose": 1.5, "Hair": 0.0}
    assert (changed.weight, changed.schedule) == (0.5, Schedule(start=0.2))
    both = change_attributes(person, "a woman", {"hair": "red hair", "age": "old"}, 0.5, TABLE)
    assert both.identity.strengths == {"Face": 0.4, "Nose": 1.5, "Hair": 0.5}
    assert (both.weight, both.schedule, both.prompt) == (0.75, Schedule(start=0.1), "an old woman with red hair")
    words_alone = change_attributes(person, "a woman", {"hair": "red hair"}, 0.0, TABLE)
    assert words_alone.identity.strengths == {"Face": 0.8, "Nose": 1.5, "Hair": 1.0} and words_alone.weight == 1.0
    assert words_alone.schedule == Schedule() and person.strengths == {"Face": 0.8, "Nose": 1.5}


def test_nothing_asked_is_the_person():
    nothing = change_attributes(PERSON, "a woman", dict.fromkeys(ATTRIBUTES, ""))
    assert (nothing.prompt, nothing.weight, nothing.schedule) == ("a woman", 1.0, Schedule())
    assert (nothing.identity.strengths, nothing.identity.caption) == ({}, "")


def test_the_table_can_be_drawn():
    for name, attribute in ATTRIBUTES.items():
        assert set(attribute.regions) <= set(WORDS) and 0 <= attribute.weight <= 1 and 0 <= attribute.start < 1, name
        changed = change_attributes(PERSON, "a woman", {name: "blue"})
        assert "blue" in changed.prompt
        assert ("blue" in changed.identity.caption) == bool(attribute.clause), name


@pytest.mark.parametrize(("changes", "strength"), [({"hat": "red"}, 1.0), ({"age": "old"}, 1.5), ({}, float("nan"))])
def test_what_cannot_be_changed_is_named(changes, strength):
    with pytest.raises(ConsistentIDError, match="attributes are age, gender"):
        change_attributes(PERSON, "a woman", changes, strength)


@pytest.mark.parametrize("text", ["hair", "hat=red", "hair= ", "=old"])
def test_changes_on_the_command_line(text):
    assert parse_change(" hair = a=b ") == ("hair", "a=b")
    with pytest.raises(ConsistentIDError, match="ATTRIBUTE=WORDS"):
        parse_change(text)
