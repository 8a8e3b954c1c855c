"""Several people in one prompt."""

import pytest

from consistentid.adapter.config import SD15, SDXL
from consistentid.errors import CaptionError
from consistentid.prompt.group import compose_group, split_people
from consistentid.prompt.mark import MARKER, mark_caption

SHE, HE = "blue eyes, a small nose", "a long nose, brown eyes, large ears"
HER_REGIONS, HIS_REGIONS = ("Left_Eye", "Nose"), ("Face", "Left_Eye", "Left_Ear", "Nose")


def compose(prompt, config=SD15):
    return compose_group(prompt, (SHE, HE), (HER_REGIONS, HIS_REGIONS), config)


def test_each_person_is_described_where_the_prompt_speaks_of_them():
    composed = compose("in a park, <A> a woman in red, <B> a man with a hat")
    assert composed.marked == (
        f"in a park, a woman in redDetail:blue eyes {MARKER}, a small nose {MARKER}, "
        f"a man with a hatDetail:large ears {MARKER}, brown eyes {MARKER}, a long nose {MARKER},"
    )
    assert composed.regions == ("Left_Eye", "Nose", "Left_Ear", "Left_Eye", "Nose")
    assert composed.owners == (0, 0, 1, 1, 1)
    assert composed.plain == composed.before_merge == composed.marked.replace(MARKER, "")
    assert composed.captions[1].unplaced == ("Face",)


def test_text_order_counts_not_the_order_of_the_people():
    composed = compose("<B> a man, <A> a woman")
    assert composed.owners == (1, 1, 1, 0, 0)
    assert composed.marked.index("a man") < composed.marked.index("ears") < composed.marked.index("a woman")


def test_people_without_a_name_come_last():
    composed = compose("two people, <B> a man")
    assert composed.owners == (1, 1, 1, 0, 0)
    assert compose("two people").owners == (0, 0, 1, 1, 1)
    assert compose("two people").marked.startswith("two people Detail:blue eyes")


def test_sdxl_reads_the_bare_prompt_before_the_merge_point():
    composed = compose("in a park, <A> a woman, <B> a man", SDXL)
    assert composed.before_merge == "in a park, a woman, a man"
    assert "; Detail:" in composed.plain


def read_spans(text, spans):
    return [(person, text[start:end].replace(f" {MARKER}", "")) for person, start, end in spans]


@pytest.mark.parametrize("config", [SD15, SDXL], ids=["sd15", "sdxl"])
def test_what_is_said_of_each_person(config):
    composed = compose("in a park, <B> a man with a hat</B>, at night <A> a woman. ", config)
    his = f"a man with a hat{config.separator}large ears, brown eyes, a long nose,"
    hers = f"a woman{config.separator}blue eyes, a small nose,"
    assert composed.plain.replace(" ,", ",") == f"in a park, {his} at night {hers}"
    assert read_spans(composed.marked, composed.spans) == [(1, his), (0, hers)]
    before = [(1, his), (0, hers)] if config is SD15 else [(1, "a man with a hat"), (0, "a woman.")]
    text = composed.marked if config is SD15 else composed.before_merge
    assert read_spans(text, composed.spans_before) == before


def test_people_without_a_name_own_their_description():
    composed = compose("two people")
    assert read_spans(composed.marked, composed.spans) == [
        (0, "Detail:blue eyes, a small nose,"),
        (1, "Detail:large ears, brown eyes, a long nose,"),
    ]


def test_a_description_does_not_become_part_of_an_embeddings_name():
    assert "a embedding:x Detail:blue" in compose("<A> a embedding:x, <B> b").plain


def test_the_fixed_sentence_is_aligned_as_for_one_person():
    regions = ("Left_Ear", "Right_Eye", "Nose", "Face", "Hair")
    marked = mark_caption(SD15.fixed_sentence, regions)
    assert marked.regions != mark_caption(SD15.fixed_sentence, regions, "matched").regions
    composed = compose_group("<A> x", [SD15.fixed_sentence, SHE], [regions, HER_REGIONS], SD15)
    assert composed.captions[0] == marked and composed.marked.startswith(f"xDetail:{marked.text} Detail:blue")
    assert composed.marked.count(MARKER) == len(composed.regions) == len(composed.owners)
    matched = compose_group("<A> x", [SD15.fixed_sentence, SHE], [regions, HER_REGIONS], SD15, "matched")
    assert matched.captions[0] == mark_caption(SD15.fixed_sentence, regions, "matched")


def test_number_of_markers_regions_and_owners_agree():
    for prompt in ("", "<A>", "<A><B>", "x <B> y <A> z"):
        composed = compose(prompt)
        assert composed.marked.count(MARKER) == len(composed.regions) == len(composed.owners) == 5


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("<A> a woman <C> a dog", "<C>.*2 people"),
        ("<A> a woman <A> old", "<A> twice"),
        (f"a {MARKER} b", "marks facial tokens"),
        ("a park </A> b", "has </A> where nothing is said of A"),
        ("<A> a woman <B> a man </A>", "has </A> where nothing is said of A"),
        ("<A> a woman </A> and </A>", "has </A> where"),
        ("<A> a woman </A> and <A> a hat", "<A> twice"),
    ],
)
def test_prompts_that_cannot_be_meant(prompt, message):
    with pytest.raises(CaptionError, match=message.replace("|", r"\|")):
        compose(prompt)


def test_split():
    assert split_people("", 2) == [(None, "")]
    assert split_people("<b> small letters stay", 1) == [(None, "<b> small letters stay")]
    with pytest.raises(CaptionError, match="there is one person"):
        split_people("<B> a man", 1)
