"""Several people in one prompt."""

import pytest

from consistentid.adapter.config import SD15, SDXL
from consistentid.errors import CaptionError
from consistentid.prompt.group import compose_group, split_people
from consistentid.prompt.mark import MARKER

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
    ],
)
def test_prompts_that_cannot_be_meant(prompt, message):
    with pytest.raises(CaptionError, match=message.replace("|", r"\|")):
        compose(prompt)


def test_split():
    assert split_people("", 2) == ("", {})
    assert split_people("<b> small letters stay", 1) == ("<b> small letters stay", {})
    with pytest.raises(CaptionError, match="there is one person"):
        split_people("<B> a man", 1)
