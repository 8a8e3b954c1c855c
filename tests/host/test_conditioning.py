"""Facial tokens in ComfyUI's text embedding: the right places, and only those."""

import json
from dataclasses import replace

import pytest
import torch

pytestmark = pytest.mark.host

PROMPT = "a photo of a person in a forest"
LONG = ", ".join(f"detail number {i} of a rich scene" for i in range(24))


@pytest.fixture
def clip(checkpoint):
    return checkpoint[1].clone()


@pytest.fixture
def identity(make_identity):
    return make_identity()


@pytest.fixture
def inject(host, clip, adapter, identity):
    def run(prompt=PROMPT, negative="blurry", caption="", alignment="auto", clip=clip, identity=identity, merge_at=0.6):
        output = host.nodes.conditioning.InjectTokens.execute(
            clip, adapter, identity, prompt, negative, merge_at, alignment, caption
        )
        (run.shown,) = output.ui["consistentid_prompt"]
        return output.result

    return run


def stages(conditioning, key="consistentid_stage"):
    return {entry[1][key]["name"]: entry[0] for entry in conditioning}


def changed_rows(text, facial):
    return (text != facial).any(-1)[0].nonzero().flatten().tolist()


def words_at(clip, text, rows):
    tokenizer = clip.tokenizer.clip_l
    tokens = [token for chunk in clip.tokenize(text)["l"] for token, _ in chunk]
    return [tokenizer.inv_vocab[tokens[row]].removesuffix("</w>") for row in rows]


def plain_text(marked):
    return marked.replace("<|facial|>", "")


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT,
        "a (photo:1.3) of a [person] in ((a forest))",
        LONG,
        LONG + ", " + LONG,
        "",
        "portrait, (oil painting:0.7)",
    ],
    ids=["short", "emphasis", "two chunks", "four chunks", "empty", "weighted end"],
)
def test_facial_tokens_replace_the_marked_words_only(inject, clip, prompt):
    positive, _, marked, _ = inject(prompt)
    text, facial = stages(positive).values()
    rows = changed_rows(text, facial)
    assert words_at(clip, plain_text(marked), rows) == ["face", "ears", "eyes", "nose", "mouth"]
    expected = clip.encode_from_tokens_scheduled(clip.tokenize(plain_text(marked)))[0][0]
    assert torch.equal(text, expected)
    assert text.shape[1] % 77 == 0


def test_emphasis_inside_the_caption(inject, clip):
    positive, _, marked, _ = inject(caption="a (round face:1.4), small (nose:0.5), wide mouth")
    rows = changed_rows(*stages(positive).values())
    assert words_at(clip, plain_text(marked), rows) == ["face", "nose", "mouth"]


def test_each_region_meets_its_own_word_in_a_natural_caption(host, inject, adapter, identity, clip):
    """The row of each word is what FacialEncoder makes of that word and that region, nothing else."""
    caption = "Her eyes are green and the nose is short. A broad mouth, a round face; small ears!"
    positive, _, marked, _ = inject(caption=caption)
    text, facial = stages(positive).values()
    rows = changed_rows(text, facial)
    words = words_at(clip, plain_text(marked), rows)
    assert sorted(words) == ["ears", "eyes", "face", "mouth", "nose"]
    tokens, _ = adapter.encode_regions(identity)
    keys = {"face": "Face", "eyes": "Left_Eye", "ears": "Left_Ear", "nose": "Nose", "mouth": "Upper_Lip"}
    for row, word in zip(rows, words, strict=True):
        alone = adapter.fuse(text, tokens[keys[word]][None], torch.tensor([row]))
        assert torch.allclose(facial[0, row], alone[0, row], atol=1e-5), word


def test_fixed_sentence_is_crossed_as_trained(inject, adapter, identity, clip):
    positive, _, marked, _ = inject()
    text, facial = stages(positive).values()
    rows = changed_rows(text, facial)
    tokens, _ = adapter.encode_regions(identity)
    ears = rows[words_at(clip, plain_text(marked), rows).index("ears")]
    crossed = adapter.fuse(text, tokens["Left_Eye"][None], torch.tensor([ears]))
    assert torch.allclose(facial[0, ears], crossed[0, ears], atol=1e-5)


def test_negative_gets_zero_tokens_at_the_same_positions(inject, adapter, identity, clip):
    positive, negative, _, _ = inject(LONG, negative="blurry")
    rows = changed_rows(*stages(positive).values())
    plain = clip.encode_from_tokens_scheduled(clip.tokenize("blurry"))[0][0]
    repeated = plain.repeat(1, positive[0][0].shape[1] // plain.shape[1], 1)
    assert changed_rows(repeated, negative[0][0]) == rows
    expected = adapter.fuse(repeated, adapter.encode_regions(identity)[1][None], torch.tensor(rows))
    assert torch.equal(negative[0][0], expected)


def test_textual_inversion_shifts_the_positions(host, inject, clip, tmp_path):
    import safetensors.torch

    vectors = torch.randn(5, 768, generator=torch.Generator().manual_seed(1)) * 0.01
    safetensors.torch.save_file({"emb_params": vectors}, tmp_path / "freckles.safetensors")
    clip.tokenizer.clip_l.embedding_directory = [str(tmp_path)]
    before = changed_rows(*stages(inject("a person")[0]).values())
    after = changed_rows(*stages(inject("a person embedding:freckles")[0]).values())
    assert [row - 5 for row in after] == before


def test_clip_skip(inject, clip):
    skipped = clip.clone()
    skipped.clip_layer(-2)
    usual, other = (stages(inject(clip=c)[0]) for c in (clip, skipped))
    assert not torch.equal(usual["text"], other["text"])
    assert changed_rows(*usual.values()) == changed_rows(*other.values())


def test_missing_regions_have_no_token(inject, clip, make_identity):
    positive, _, marked, report = inject(identity=make_identity(regions=("Face", "Nose")))
    assert marked.count("<|facial|>") == 2
    assert words_at(clip, plain_text(marked), changed_rows(*stages(positive).values())) == ["face", "nose"]
    assert report.startswith("2 facial tokens")


def test_region_without_a_word_is_reported(inject):
    *_, report = inject(caption="a round face and a long nose")
    assert "No word for: ears, eyes, mouth" in report


def test_empty_caption_means_the_fixed_sentence(inject):
    assert (
        inject(caption="  ")[2]
        == inject(caption="The person has one face, one nose, two eyes, two ears, and one mouth.")[2]
    )


def test_caption_of_the_identity_is_used_and_a_connected_one_wins(inject, make_identity):
    identity = make_identity(caption="a kind face")
    assert "a kind face <|facial|>" in inject(identity=identity)[2]
    assert "a stern face <|facial|>" in inject(identity=identity, caption="a stern face")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"caption": "a tall person"}, "names none of the regions"),
        ({"prompt": "a <|facial|> man"}, "Remove it from the prompt"),
    ],
)
def test_unusable_texts_are_refused(host, inject, arguments, message):
    with pytest.raises(host.consistentid.errors.CaptionError, match=message):
        inject(**arguments)


@pytest.mark.parametrize("encoder", ["g", "t5xxl"])
def test_clip_of_another_base_model_is_refused(host, adapter, identity, clip, encoder):
    class OtherClip:
        def tokenize(self, text, **options):
            tokens = clip.tokenize(text, **options)
            return {"l": tokens["l"], encoder: tokens["l"]}

    for alignment in ("auto", "published"):
        with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=rf"SD1\.5.*{encoder}"):
            host.nodes.conditioning.InjectTokens.execute(OtherClip(), adapter, identity, PROMPT, "", 0.6, alignment, "")


def test_published_cuts_long_prompts_and_ignores_emphasis(inject):
    positive, negative, _, _ = inject(LONG + " (forest:1.5)", alignment="published")
    assert {entry[0].shape[1] for entry in positive + negative} == {77}


def test_encoding_an_identity_again_costs_nothing(adapter, identity):
    first = adapter.encode_regions(identity)
    assert adapter.encode_regions(identity) is first
    assert adapter.project_identity(identity) is adapter.project_identity(identity)
    stronger = replace(identity, strengths={"Nose": 0.5}, caption="other")
    assert adapter.encode_regions(stronger) is first


def test_an_identity_that_shares_a_photo_only_is_encoded_anew(adapter, identity, make_identity):
    tokens, _ = adapter.encode_regions(identity)
    other = make_identity(seed=1)
    mixed = replace(identity, region_features={**identity.region_features, "Nose": other.region_features["Nose"]})
    mixed_tokens, _ = adapter.encode_regions(mixed)
    assert torch.equal(mixed_tokens["Face"], tokens["Face"])
    assert torch.allclose(mixed_tokens["Nose"], adapter.encode_regions(other)[0]["Nose"], atol=1e-5)


def test_published_reads_embedding_names_as_text(inject, clip):
    positive, negative, _, _ = inject(
        "a person embedding:freckles", "embedding:easynegative, blurry", alignment="published"
    )
    assert {entry[0].shape[1] for entry in positive + negative} == {77}
    named = clip.encode_from_tokens_scheduled(clip.tokenize("embedding : easynegative, blurry"))[0][0]
    same = (negative[0][0] == named).all(-1)[0]
    assert same.sum() >= 77 - 5


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("(small nose, blue eyes:1.2), round face", {"nose", "eyes", "face"}),
        ("(small nose, blue eyes, round face", {"nose", "eyes", "face"}),
        ("a nose of 1.5 inch, a round face", {"nose", "face"}),
        ("embedding:big-nose.pt, a round face", {"face"}),
        ("an ear-to-ear smile, a wide mouth", {"mouth"}),
    ],
)
def test_captions_with_emphasis_and_embeddings(inject, clip, caption, expected):
    positive, _, marked, _ = inject(caption=caption)
    rows = changed_rows(*stages(positive).values())
    assert set(words_at(clip, plain_text(marked), rows)) == expected
    assert caption.count("(") == marked.count("(")


def test_the_kept_negative_cannot_be_changed_from_outside(inject):
    inject()[1][0][1]["added"] = True
    assert "added" not in inject()[1][0][1]


def words_shown(shown):
    return [
        (part["text"], part["about"].removeprefix("facial token of ")) for part in shown["parts"] if "about" in part
    ]


def test_the_editor_gets_the_words_with_facial_tokens(inject, host):
    *_, marked, report = inject(PROMPT + " <b>", caption="pale skin, a broad mouth. (blue eyes:1.3)")
    shown = inject.shown
    assert json.loads(json.dumps(shown)) == shown
    assert words_shown(shown) == [("skin", "the face"), ("eyes", "the eyes"), ("mouth", "the mouth")]
    assert "".join(part["text"] for part in shown["parts"]) == marked.replace(" <|facial|>", "")
    assert shown["report"] == report and "No word for: ears, nose" in report
    colours = {part["text"]: part["colour"] for part in shown["parts"] if "about" in part}
    eyes = host.consistentid.face.preview.find_region_colour("Left_Eye")
    assert colours["eyes"] == "#{:02x}{:02x}{:02x}".format(*eyes) and len(set(colours.values())) == 3


def test_the_editor_sees_that_the_fixed_sentence_is_crossed(inject):
    inject()
    assert dict(words_shown(inject.shown))["ears"] == "the eyes"


def test_the_editor_sees_what_a_cut_prompt_has_lost(inject):
    inject(LONG, alignment="published", caption="one face, one nose, two eyes")
    assert "".join(part["text"] for part in inject.shown["parts"]).count("<|facial|>") == 0
    kept = words_shown(inject.shown)
    inject(LONG + " " + "and a face <|facial|>", alignment="published", caption="one face, one nose, two eyes")
    assert len(words_shown(inject.shown)) == len(kept), "what lies beyond 77 tokens is plain text"


@pytest.mark.parametrize("encoders", [{"l": 2}, {"l": 2, "g": 1}])
def test_a_text_with_other_rows_than_tokens_is_refused(host, encoders):
    """NegPip gives each token a row for its key and one for its value."""
    tokens = {name: [[(0, 1.0)] * 77] * chunks for name, chunks in encoders.items()}
    marked = host.consistentid.prompt.tokens.MarkedText(tokens, {name: [5] for name in encoders})
    marked.check_rows(torch.zeros(1, 154, 768))
    with pytest.raises(host.consistentid.errors.CaptionError, match=r"308 rows for a text of 154 tokens.*NegPip"):
        marked.check_rows(torch.zeros(1, 308, 768))
