"""Composing for one and for several people, and which token goes where."""

from dataclasses import replace

import pytest
import torch

from consistentid.adapter.config import INPAINTING_SENTENCE, SD15, SDXL
from consistentid.errors import CaptionError
from consistentid.face.region_words import ALL_WORDS
from consistentid.identity import Identity
from consistentid.ports import TokenizedText
from consistentid.prompt.compose import (
    compose_for_identity,
    compose_for_people,
    describe_placement,
    find_owners,
)
from consistentid.prompt.encode import stack_strengths, stack_tokens
from consistentid.prompt.mark import MARKER

FEATURES = torch.zeros(257, 1280)


def make_person(regions=("Face", "Left_Eye", "Nose"), **fields) -> Identity:
    return Identity(FEATURES, FEATURES, dict.fromkeys(regions, FEATURES), **fields)


class Words:
    """A TextEncoder whose tokens are words."""

    def tokenize(self, text):
        return TokenizedText({}, {"l": list(enumerate(text.split()))})


WORDS = Words()
HER = make_person(caption="a round face, blue eyes, a small nose", strengths={"Nose": 0.5})
HIM = make_person(("Nose", "Left_Ear"), caption="a long nose, large ears", strengths={"Left_Ear": 2.0})


@pytest.mark.parametrize(("caption", "expected"), [("", "a small nose"), (" big nose, face ", "big nose")])
def test_a_typed_caption_wins_over_the_persons_own(caption, expected):
    composed = compose_for_identity("a woman", caption, HER, SD15, WORDS)
    assert expected in composed.plain


@pytest.mark.parametrize("config", [SD15, SDXL], ids=["sd15", "sdxl"])
def test_either_fixed_sentence_becomes_that_of_the_base_model(config):
    person = make_person()
    texts = {compose_for_identity("a", text, person, config, WORDS).plain for text in ("", SD15.fixed_sentence)}
    assert texts == {compose_for_identity("a", SDXL.fixed_sentence, person, config, WORDS).plain}
    people = compose_for_people("a", "", (person, person), config)
    assert people.regions == ("Face", "Left_Eye", "Nose") * 2


@pytest.mark.parametrize("config", [SD15, SDXL], ids=["sd15", "sdxl"])
def test_the_sentence_of_the_inpainting_pipelines_stays_as_it_is(config):
    composed = compose_for_identity("a", INPAINTING_SENTENCE, make_person(), config, WORDS)
    assert "face" not in composed.plain and composed.regions == ("Left_Eye", "Nose")
    assert describe_placement(composed, [make_person()], config) == "2 facial tokens: eyes, nose. No word for: face."


def test_a_caption_without_any_region_is_refused():
    for compose in (
        lambda: compose_for_identity("a woman", "a warm smile", HER, SD15, WORDS),
        lambda: compose_for_people("two", "", (HER, make_person(caption="a warm smile")), SD15),
    ):
        with pytest.raises(CaptionError, match=r"names none of the regions.*a warm smile"):
            compose()


def test_people_cannot_share_a_caption_or_be_published():
    with pytest.raises(CaptionError, match="each person"):
        compose_for_people("two", "blue eyes", (HER, HIM), SD15)
    with pytest.raises(CaptionError, match="one person only"):
        compose_for_people("two", "", (HER, HIM), SD15, "published")


def test_tokens_and_strengths_follow_their_person():
    composed = compose_for_people("<B> a man <A> a woman", "", (HER, HIM), SD15)
    assert find_owners(composed) == (1, 1, 0, 0, 0)
    assert composed.regions == ("Left_Ear", "Nose", "Face", "Left_Eye", "Nose")
    tokens = [
        {key: torch.full((4,), 10.0 * owner + index) for index, key in enumerate(person.regions)}
        for owner, person in enumerate((HER, HIM))
    ]
    zero = torch.full((4,), -1.0)
    stacked = stack_tokens(composed, tokens, zero, 7)
    assert stacked[:, 0].tolist() == [10.0, 11.0, 0.0, 1.0, 2.0, -1.0, -1.0]
    assert stack_tokens(composed, tokens, zero, 2)[:, 0].tolist() == [10.0, 11.0]
    assert stack_tokens(composed, tokens, zero, 0)[:, 0].tolist() == [-1.0]
    assert stack_strengths(composed, (HER, HIM), 6).tolist() == [2.0, 1.0, 1.0, 1.0, 0.5, 1.0]
    assert stack_strengths(composed, (HER, HIM), 0).tolist() == []


def test_one_person_owns_everything():
    composed = compose_for_identity("a woman", "", HER, SD15, WORDS)
    assert find_owners(composed) == (0, 0, 0) and composed.marked.count(MARKER) == 3
    assert stack_strengths(composed, (HER,), 3).tolist() == [1.0, 1.0, 0.5]


def test_report():
    one = compose_for_identity("a woman", "a face, small nose", HER, SD15, WORDS)
    assert describe_placement(one, (HER,), SD15) == "2 facial tokens: face, nose (0.5). No word for: eyes."
    nose = compose_for_identity("a woman", "small nose", HER, SD15, WORDS)
    assert describe_placement(nose, (HER,), SD15).startswith("1 facial token: nose (0.5). ")
    hair = make_person(("Face", "Brows", "Hair"))
    both = compose_for_identity("a woman", "", hair, SD15, WORDS)
    placed = "3 facial tokens: face, eyebrows, hair."
    assert describe_placement(both, (hair,), SD15) == f"{placed} This adapter was not trained with: eyebrows, hair."
    assert describe_placement(both, (hair,), replace(SD15, regions=ALL_WORDS)) == placed
    two = compose_for_people("<B> a man", "", (HER, HIM), SD15)
    assert describe_placement(two, (HER, HIM), SD15) == (
        "A: 3 facial tokens: face, eyes, nose (0.5).\nB: 2 facial tokens: ears (2), nose."
    )


def test_a_region_that_was_trained_gets_a_word_where_the_caption_has_none():
    """With an adapter that was not trained with it all stays as it was."""
    person = make_person(("Face", "Nose", "Brows", "Hair"), caption="a round face, dark brows, a small nose")
    knowing = replace(SD15, regions=ALL_WORDS)
    told = compose_for_identity("a woman", "", person, knowing, WORDS)
    assert told.plain.endswith("a round face , a small nose , dark brows , hair ,") and told.unplaced == ()
    usual = compose_for_identity("a woman", "", person, SD15, WORDS)
    assert usual.plain.endswith("a small nose , dark brows ,") and usual.unplaced == ("Hair",)
    half = compose_for_identity("a woman", "", person, replace(SD15, regions=("face", "eyebrows")), WORDS)
    assert half == usual
    people = compose_for_people("two", "", (person, HIM), knowing)
    assert people.captions[0].regions == told.regions and people.captions[1].regions == ("Left_Ear", "Nose")
    own = compose_for_identity("a woman", "a round face, red hair", person, knowing, WORDS)
    assert own.plain.endswith("a round face , two eyebrows , red hair ,"), "the caption's own words are kept"
