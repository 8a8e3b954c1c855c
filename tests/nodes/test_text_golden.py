"""Prompts through ComfyUI's tokenizer, against the token ids and positions of the released pipelines."""

import pytest
from golden_data import read_json

pytestmark = pytest.mark.host

GOLDEN = read_json("tokens.json")
# Id 49408 of "<|image|>" lies outside the text encoder's vocabulary: the released code fails on such prompts.
ENTRIES = [entry for entry in GOLDEN["entries"] if "<|image|>" not in GOLDEN["prompts"][entry["prompt"]]]
# The stored ids are of transformers 5 without ftfy; curly quotes are straightened by older versions only.


class TokenizerOnly:
    """The part of ComfyUI's CLIP that needs no weights."""

    def __init__(self):
        from comfy.sd1_clip import SD1Tokenizer

        self.tokenizer = SD1Tokenizer()

    def tokenize(self, text, return_word_ids=False, **options):
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **options)


@pytest.fixture(scope="module")
def clip(host):
    return TokenizerOnly()


def name(entry):
    return f"{entry['prompt']}-{entry['caption']}-{entry['keyset']}"


def compose(host, clip, entry, alignment):
    align, config = host.consistentid.caption.align, host.consistentid.adapter.config.SD15
    return align.compose_prompt(
        GOLDEN["prompts"][entry["prompt"]],
        GOLDEN["captions"][entry["caption"]],
        GOLDEN["keysets"][entry["keyset"]],
        config,
        lambda text: host.nodes.text.count_tokens(clip, text, disable_weights=alignment == "published"),
        alignment,
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_published_tokens(host, clip, entry):
    expected = entry["sd15"]
    prompt = compose(host, clip, entry, "published")
    assert prompt.marked == expected["final_prompt_text"]
    assert prompt.plain == expected["prompt_text_only"]
    assert list(prompt.regions) == expected["keys_out"]
    tokens = host.nodes.text.cut_markers(clip, prompt)
    assert [token for token, _ in tokens.tokens["l"][0]] == expected["clean_input_ids"]
    assert tokens.positions["l"] == expected["facial_token_mask_positions"]
    text_only = host.nodes.text.tokenize_text(clip, prompt.before_merge, published=True)
    assert [token for token, _ in text_only["l"][0]] == expected["prompt_text_only_input_ids"]


FITTING = [
    entry
    for entry in ENTRIES
    if entry["caption"] == "builtin_sd15"
    and entry["sd15"]["n_tokens_with_markers"] <= 77
    and not set(GOLDEN["prompts"][entry["prompt"]]) & set("()|")
    and entry["sd15"]["keys_out"]
    and entry["keyset"] not in ("all8", "with_others", "reversed")
]


@pytest.mark.parametrize("entry", FITTING, ids=name)
def test_default_tokens_equal_the_published_ones(host, clip, entry):
    """For the fixed sentence and a prompt that fits, the default is the released behaviour to the token."""
    expected = entry["sd15"]
    tokens = host.nodes.text.place_markers(clip, compose(host, clip, entry, "auto"))
    assert [token for token, _ in tokens.tokens["l"][0]] == expected["prompt_text_only_input_ids"]
    assert tokens.positions["l"] == expected["facial_token_mask_positions"]
