"""mark_published, compose_prompt and cut_published against texts and token ids computed with the authors' code."""

import re

import pytest
from golden_data import read_json

from consistentid.adapter.config import SD15, SDXL
from consistentid.prompt.align import TEXT_TOKENS, FacialPrompt, compose_prompt, cut_published
from consistentid.prompt.mark import MARKER, mark_published

MARKING = read_json("text_marking.json")
TOKENS = read_json("tokens.json")
CONFIGS = {"sd15": SD15, "sdxl": SDXL}
BEGIN, END = 49406, 49407
FACIAL = TOKENS["tokenizer"]["tokenizer_1"]["added"][MARKER]


@pytest.mark.parametrize("keyset", MARKING["keysets"])
def test_marked_text_and_keys(keyset):
    entries = [entry for entry in MARKING["entries"] if entry["keyset"] == keyset]
    assert len(entries) == len(MARKING["captions"])
    wrong = []
    for entry in entries:
        marked = mark_published(MARKING["captions"][entry["caption"]], MARKING["keysets"][keyset])
        seen = (marked.text, list(marked.regions), marked.text.count(MARKER))
        if seen != (entry["text_out"], entry["keys_out"], entry["n_facial"]):
            wrong.append((entry["caption"], seen, entry))
    assert not wrong


@pytest.mark.parametrize("entry", MARKING["container_types"], ids=lambda e: f"{e['caption']}-{e['keyset']}")
def test_a_list_of_keys_where_the_reference_takes_one(entry):
    keys = MARKING["keysets"][entry["keyset"]]
    if "error" in entry:  # the reference fails on None, and on a list when a word is missing; this one must not
        assert set(mark_published(MARKING["captions"][entry["caption"]], keys).regions) <= set(keys)
    else:
        marked = mark_published(MARKING["captions"][entry["caption"]], keys)
        assert (marked.text, list(marked.regions)) == (entry["text_out"], entry["keys_out"])


def test_more_keys_than_markers_where_pairs_are_complete():
    for entry in MARKING["count_mismatches"]:
        marked = mark_published(MARKING["captions"][entry["caption"]], MARKING["keysets"][entry["keyset"]])
        assert (marked.text.count(MARKER), len(marked.regions)) == (entry["n_facial"], entry["n_keys_out"])


@pytest.mark.parametrize("container", [list, dict.fromkeys])
def test_input_is_not_changed(container):
    keys = container(MARKING["keysets"]["std"])
    before = container(keys)
    marked = mark_published("a small nose", keys)
    assert keys == before
    assert marked.regions == ("Nose",), "the missing words' keys are dropped from the result only"


def compose(entry: dict, variant: str, asked: list[str]) -> FacialPrompt:
    def count_tokens(text: str) -> int:
        asked.append(text)
        return entry[variant]["n_tokens_with_markers"]

    return compose_prompt(
        TOKENS["prompts"][entry["prompt"]],
        TOKENS["captions"][entry["caption"]],
        TOKENS["keysets"][entry["keyset"]],
        CONFIGS[variant],
        count_tokens,
        "published",
    )


@pytest.mark.parametrize("variant", CONFIGS)
@pytest.mark.parametrize("branch", ["primary", "reordered", "dropped"])
def test_composed_prompt(variant, branch):
    entries = [entry for entry in TOKENS["entries"] if entry[variant]["branch"] == branch]
    assert entries
    for entry in entries:
        expected, asked = entry[variant], []
        composed = compose(entry, variant, asked)
        assert composed.marked == expected["final_prompt_text"], entry["prompt"]
        assert list(composed.regions) == expected["keys_out"]
        # SDXL's released code takes the bare prompt here; both erase <|image|>, a marker of another method.
        if variant == "sd15" and branch != "dropped" and "<|image|>" not in composed.marked:
            assert composed.plain == expected["prompt_text_only"]
        if branch == "primary":
            assert asked == [expected["final_prompt_text"]], "the length is measured on the text with markers"


def test_length_limit_is_77_tokens_markers_included():
    short, long = (
        compose_prompt("a man", SD15.fixed_sentence, ["Nose"], SD15, lambda _, n=n: n).marked for n in (77, 78)
    )
    assert short.startswith("a manDetail:") and short.endswith("one nose <|facial|>,")
    assert long.startswith("Detail:") and long.endswith("one nose <|facial|>, Caption:a man")


@pytest.mark.parametrize("variant", CONFIGS)
def test_cut_tokens(variant):
    """Markers are put back behind their words; text beyond 77 tokens, which the file does not hold, is made up."""
    cuts = 0
    for entry in TOKENS["entries"]:
        expected = entry[variant]
        clean, positions = expected["clean_input_ids"], expected["facial_token_mask_positions"]
        text = clean[: clean.index(END)] if END in clean else [*clean, 320, FACIAL, 786]
        marked = [token for i, token in enumerate(text) for token in (token, *[FACIAL] * (i in positions))]
        assert cut_published([*marked, END], FACIAL, END) == (clean, positions)
        cuts += END not in clean
    assert cuts, "some entries must be longer than 77"


# Ids of single-token words in CLIP's vocabulary.
WORDS = {"a": 320, "b": 321, "c": 322, "d": 323, "e": 324, "f": 325, "g": 326, ",": 267, "face": 1710, "eyes": 3095}
WORDS |= {"two": 1237, "one": 637, "nose": 8231, "man": 786, "word": 2653, "mouth": 4932, MARKER: FACIAL}
WORDS |= {"ears": 11111}  # only where it is cut off; not its real id
RAW = {entry["name"]: entry for entry in TOKENS["raw"] if entry["name"] not in ("eos_text", "case")}


@pytest.mark.parametrize("name", RAW)
def test_cut_raw_text(name):
    words = re.findall(r"<\|facial\|>|\w+|,", RAW[name]["text"])
    ids, positions = cut_published([BEGIN, *(WORDS[word] for word in words), END], FACIAL, END)
    assert ids == RAW[name]["clean_input_ids"]
    assert positions == RAW[name]["facial_token_mask_positions"]
    assert len(ids) == TEXT_TOKENS
