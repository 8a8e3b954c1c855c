"""mark_matched on captions as people and captioners write them, and find_positions."""

import random
import re

import pytest

from consistentid.adapter.config import BASE_SENTENCES, FIXED_SENTENCES, INPAINTING_SENTENCE, SD15
from consistentid.errors import CaptionError
from consistentid.face.region_words import REGION_WORDS
from consistentid.prompt.align import compose_prompt, find_positions
from consistentid.prompt.mark import (
    MARKER,
    WORDS,
    find_word,
    mark_caption,
    mark_matched,
    mark_published,
    split_clauses,
)

REGIONS = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
ALL_REGIONS = (*REGIONS, "Brows", "Hair")
NAMES = {
    "face": "face faces facial head skin complexion",
    "ears": "ear ears",
    "eyes": "eye eyes",
    "nose": "nose noses",
    "mouth": "mouth mouths lip lips",
    "eyebrows": "eyebrow eyebrows brow brows",
    "hair": "hair hairstyle haircut",
}


def words_before_markers(text: str) -> list[str]:
    """The word right in front of each marker, separated from it by one space."""
    words = re.findall(r"(\w+) <\|facial\|>", text)
    assert len(words) == text.count(MARKER), f"a marker does not follow a word: {text}"
    return [word.lower() for word in words]


def assert_each_region_has_its_word(marked):
    words = words_before_markers(marked.text)
    assert len(words) == len(marked.regions)
    for word, region in zip(words, marked.regions, strict=True):
        assert word in NAMES[REGION_WORDS[region]].split(), (word, region)


@pytest.mark.parametrize("sentence", BASE_SENTENCES)
def test_fixed_sentence_has_the_published_text_and_its_own_words(sentence):
    marked = mark_matched(sentence, REGIONS)
    assert marked.text == mark_published(sentence, REGIONS).text
    assert words_before_markers(marked.text) == ["face", "ears", "eyes", "nose", "mouth"]
    assert marked.regions == ("Face", "Left_Ear", "Left_Eye", "Nose", "Upper_Lip")


def test_the_sentence_of_the_inpainting_pipelines_is_crossed_as_trained_and_knows_no_face():
    """The text that the released pipelines make of it is golden ("builtin_base")."""
    published = mark_published(INPAINTING_SENTENCE, REGIONS)
    assert mark_caption(f" {INPAINTING_SENTENCE}\n", REGIONS) == published
    assert words_before_markers(published.text) == ["ears", "eyes", "nose", "mouth"]
    assert published.regions == ("Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
    both = (*REGIONS, "Right_Eye", "Lower_Lip")
    for alignment in ("auto", "matched", "published"):
        assert mark_caption(INPAINTING_SENTENCE, both, alignment).unplaced == ("Face",)


ALL = "face ears eyes nose mouth"
CAPTIONS = {
    "clauses": ("A round face, small ears, blue eyes, a long nose, a wide mouth.", ALL),
    "one clause": ("Her face with blue eyes and a nose above the mouth between ears", ALL),
    "capitals": ("FACE: oval. EARS: small. Eyes: grey. Nose: straight. Mouth: wide.", ALL),
    "singular": ("One ear shows; the left eye is green", "ears eyes"),
    "first of several": ("Blue eyes. Her eyes, those eyes", "eyes"),
    "newlines": ("Face: round\nEars: small\nEyes: blue\nNose: long\nMouth: wide", ALL),
    "numbered list": ("1. Face - round\n2. Ears - small\n3. Eyes - blue\n4. Nose - long\n5. Mouth - wide", ALL),
    "Windows newlines": ("a face\r\nears\r\neyes", "face ears eyes"),
    "no punctuation": ("a woman with a freckled face and green eyes", "face eyes"),
    "hyphens": ("a heart-shaped face, deep-set eyes, an up-turned nose", "face eyes nose"),
    "unicode": ("Ein naïve café-au-lait face — “smiling” eyes, 山水 nose 😀, a mouth…", "face eyes nose mouth"),
    "synonyms": ("Pale skin and full lips", "face mouth"),
    "own word before synonyms": ("Her head is tilted. Smooth skin. An oval face.", "face"),
    "questions": ("Is that a nose? What eyes! A mouth", "nose eyes mouth"),
    "possessive": ("The face's left side; the eyes' colour", "face eyes"),
    "inside other words": ("surfaces, hears, eyelids, nosey, mouthful, earrings, chairs and browsers", ""),
    "eyebrows are not eyes": ("thick eyebrows over a nose", "eyebrows nose"),
    "brows in two words": ("thick eye brows", "eyebrows"),
    "brows with a hyphen": ("an arched eye-brow, eyes", "eyebrows eyes"),
    "bare brows": ("heavy brows above green eyes", "eyebrows eyes"),
    "hair of the head": ("short-cropped hair, a mouth", "hair mouth"),
    "a beard is not hair": ("some facial hair around the mouth", "mouth"),
    "haircut": ("a short haircut with a fringe", "hair"),
    "markdown": ("**Face**: oval\n**Eyes**: almond-shaped", "face eyes"),
    "reversed": ("a mouth, a nose, eyes, ears, a face", ALL),
    "empty": ("", ""),
    "only punctuation": (" ,.;!?\n", ""),
}


@pytest.mark.parametrize(("caption", "found"), CAPTIONS.values(), ids=CAPTIONS)
def test_natural_captions(caption, found):
    marked = mark_matched(caption, ALL_REGIONS)
    assert_each_region_has_its_word(marked)
    assert {REGION_WORDS[region] for region in marked.regions} == set(found.split())
    assert {REGION_WORDS[region] for region in marked.unplaced} == set(WORDS) - set(found.split())
    assert all(clause.strip() in caption for clause in marked.text.replace(f" {MARKER}", "").split(","))


def test_first_occurrence_is_marked():
    marked = mark_matched("eyes that shine. Other eyes are dull", ["Left_Eye"])
    assert marked.text == "eyes <|facial|> that shine,"
    assert mark_matched("An oval face. Her head is tilted. Smooth skin.", ["Face"]).text == "An oval face <|facial|>,"
    assert mark_matched("Smooth skin. Her head is high. An oval face.", ["Face"]).text == "An oval face <|facial|>,"


def test_clauses_are_kept_as_written():
    marked = mark_matched("He isn't tall; (his) deep-set eyes: blue, a man's nose", ["Left_Eye", "Nose"])
    assert marked.text == "(his) deep-set eyes <|facial|>: blue, a man's nose <|facial|>,"


@pytest.mark.parametrize("caption", ["a nose 3.5 cm long", "(a thin nose:1.3), a man"])
def test_decimal_point_does_not_end_a_clause(caption):
    clause = caption.removesuffix(", a man")
    assert mark_matched(caption, ["Nose"]).text == clause.replace("nose", f"nose {MARKER}") + ","


@pytest.mark.parametrize("caption", ["an eye-catching smile, brown eyes", "a face-framing bob, a round face"])
def test_region_word_is_not_taken_from_a_compound(caption):
    *_, clause = caption.split(", ")
    assert mark_matched(caption, ["Face", "Left_Eye"]).text == f"{clause} {MARKER},"


def test_regions_that_do_not_exist_get_no_marker():
    marked = mark_matched(FIXED_SENTENCES[0], ["Right_Ear"])
    assert (marked.text, marked.regions, marked.unplaced) == ("two ears <|facial|>,", ("Right_Ear",), ())
    assert mark_matched(FIXED_SENTENCES[0], []).text == ""


def test_of_a_pair_the_first_given_takes_the_word():
    for pair in (["Left_Eye", "Right_Eye"], ["Right_Eye", "Left_Eye"]):
        assert mark_matched("two eyes", pair).regions == (pair[0],)


def test_no_keyword_at_all():
    marked = mark_matched("A tall man in a long coat.", REGIONS)
    assert (marked.text, marked.regions, set(marked.unplaced)) == ("", (), set(REGIONS))
    composed = compose_prompt("a man", "A tall man.", REGIONS, SD15, len, "matched")
    assert (composed.marked, composed.plain, composed.regions) == ("a man", "a man", ())
    assert set(composed.unplaced) == set(REGIONS)


@pytest.mark.parametrize(
    "text", ["eyes <|facial|>, a nose", "<|facial|>eyes<|facial|><|facial|>, nose", "<|fa<|facial|>"]
)
def test_markers_in_the_caption_are_neutralised(text):
    marked = mark_matched(text, ["Left_Eye", "Nose"])
    assert_each_region_has_its_word(marked)


def test_marker_in_the_prompt_is_an_error():
    with pytest.raises(CaptionError, match=r"Remove it from the prompt"):
        compose_prompt("a man <|facial|>", "a nose", ["Nose"], SD15, len, "matched")


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_clauses(seed):
    """Clauses in random order, some merged, some without a region: every region has its word, in text order."""
    random_order = random.Random(seed)
    present = random_order.sample(WORDS, random_order.randint(0, 7))
    pieces = [f"{random_order.choice(['a', 'Big', 'very-fine'])} {word}" for word in present] + ["a tall man"]
    random_order.shuffle(pieces)
    caption = "".join(piece + random_order.choice([", ", ". ", "; ", " and ", "\n", "! "]) for piece in pieces)
    marked = mark_matched(caption, ALL_REGIONS)
    assert_each_region_has_its_word(marked)
    assert {REGION_WORDS[region] for region in marked.regions} == set(present)
    assert len(marked.regions) + len(marked.unplaced) == len(ALL_REGIONS)


def test_alignment_choice():
    natural = "Green eyes, big ears."
    for caption, alignment, same_as in [
        (FIXED_SENTENCES[0], "auto", mark_published),
        (f" {FIXED_SENTENCES[1]}\n", "auto", mark_published),
        (natural, "auto", mark_matched),
        (natural, "published", mark_published),
        (FIXED_SENTENCES[0], "matched", mark_matched),
    ]:
        assert mark_caption(caption, REGIONS, alignment) == same_as(caption, REGIONS)
    with pytest.raises(CaptionError, match=r"'best'.*auto, published or matched"):
        mark_caption(natural, REGIONS, "best")


@pytest.mark.parametrize("sentence", FIXED_SENTENCES)
@pytest.mark.parametrize(
    ("extra", "clauses"),
    [
        (("Brows",), "two eyebrows <|facial|>,"),
        (("Hair",), "hair <|facial|>,"),
        (("Brows", "Hair"), "two eyebrows <|facial|>, hair <|facial|>,"),
    ],
    ids=" ".join,
)
def test_extra_regions_get_clauses_behind_a_fixed_sentence(sentence, extra, clauses):
    published = mark_published(sentence, REGIONS)
    placed, unplaced = published.regions, published.unplaced
    assert {*placed, *unplaced} == set(REGIONS)
    auto = mark_caption(sentence, (*REGIONS, *extra))
    assert (auto.text, auto.regions, auto.unplaced) == (f"{published.text} {clauses}", placed + extra, unplaced)
    matched = mark_caption(sentence, (*REGIONS, *extra), "matched")
    assert matched.text == auto.text and set(matched.regions) == {*placed, *extra}
    assert_each_region_has_its_word(matched)
    as_released = mark_caption(sentence, (*REGIONS, *extra), "published")
    assert (as_released.text, as_released.regions, as_released.unplaced) == (published.text, placed, unplaced + extra)


def test_extra_regions_alone():
    marked = mark_caption(FIXED_SENTENCES[0], ["Hair"])
    assert (marked.text, marked.regions) == ("hair <|facial|>,", ("Hair",))
    assert mark_caption("A tall man.", ["Hair"]).unplaced == ("Hair",), "other captions are left as they are"


def test_both_of_a_pair_do_not_shift_the_published_marking():
    marked = mark_caption(FIXED_SENTENCES[0], ["Face", "Left_Eye", "Right_Eye", "Nose", "Hair"])
    assert marked.regions == ("Face", "Left_Eye", "Nose", "Hair") and marked.text.count(MARKER) == 4


def test_find_word():
    clauses = split_clauses("A tall man. Eye-catching lips, (grey eye:1.2); embedding:nose")
    assert clauses == ["A tall man", "Eye-catching lips", "(grey eye:1.2)", "embedding:nose"]
    assert [find_word(clauses, word) for word in ("eyes", "mouth", "nose")] == [(2, 9), (1, 17), None]
    assert find_word(["Smooth skin", "a face"], "face") == (1, 6), "the own word before synonyms"


def test_long_captions_are_kept_except_as_published():
    caption = "She looks away, " * 25 + "blue eyes."
    assert MARKER in compose_prompt("a woman", caption, REGIONS, SD15, len, "auto").marked
    assert compose_prompt("a woman", caption, REGIONS, SD15, len, "published").marked == "a woman"


@pytest.mark.parametrize(
    ("marked", "clean", "marker", "positions"),
    [
        ([5, 7, 99, 98, 8, 6], [5, 7, 8, 6], [99, 98], [1]),
        ([9, 1, 2, 9], [1, 2], [9], [-1, 1]),
        ([1, 9, 9, 2], [1, 2], [9], [0, 0]),
        ([1, 9, 2, 9], [1, 9, 2, 9], [9, 9], []),
        ([], [], [9], []),
        ((1, "x", 2), (1, 2), ("x",), [0]),
    ],
)
def test_find_positions(marked, clean, marker, positions):
    assert find_positions(marked, clean, marker) == positions


@pytest.mark.parametrize(
    ("marked", "clean"), [([1, 9, 2], [1, 3]), ([1, 9], [1, 2]), ([1, 9, 2], [1]), ([9, 8], [8, 9])]
)
def test_find_positions_refuses_other_tokens(marked, clean):
    with pytest.raises(CaptionError, match="Simplify the punctuation"):
        find_positions(marked, clean, [9])
