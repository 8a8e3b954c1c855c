"""Words for people in ComfyUI's text encoder: golden numbers, emphasis, long prompts, several people, no leaks."""

import pytest
import torch
from golden_data import difference, read_tensors
from golden_data.face2diffusion import (
    CASES,
    CHAIN,
    ROW_ABSSUM,
    ROW_SUM,
    ROW_SUMSQ,
    TEXT,
    make_comfy_clip,
    replace_rows,
)

pytestmark = pytest.mark.host

GOLDEN = read_tensors("f2d_text.safetensors")
MAPPING = read_tensors("f2d_mapping.safetensors")
LAYERS = CASES["text_config"]["num_hidden_layers"]


@pytest.fixture(scope="module")
def clip(host):
    return make_comfy_clip()


@pytest.fixture
def name_person(host):
    return host.nodes.text.word_tokenizer.name_person


@pytest.fixture
def make_person(host):
    def make(run: str = "none"):
        """The person of a golden mapping run, or a seeded one."""
        if f"{run}.first" in MAPPING:
            vectors = torch.cat((MAPPING[f"{run}.first"], MAPPING[f"{run}.last"]))
        else:
            vectors = torch.randn(2, 768, generator=torch.Generator().manual_seed(len(run)))
        return host.consistentid.face2diffusion.encoder.TextIdentity(vectors)

    return make


def encode(clip, text: str) -> torch.Tensor:
    ((text_embedding, _),) = clip.encode_from_tokens_scheduled(clip.tokenize(text))
    return text_embedding


def list_chunks(clip, text: str) -> list[list]:
    """Token ids; for a person's vectors (word, number)."""
    chunks = clip.tokenize(text)["l"]
    return [[getattr(token, "name", token) for token, _ in chunk] for chunk in chunks]


@pytest.mark.parametrize("case", CASES["prompts"])
def test_golden_texts(clip, name_person, make_person, case):
    entry = CASES["prompts"][case]
    person = make_person("msid_astronaut" if "msid" in entry["injected"] else "none")
    word = "f" if case == "f_only" else "f l"  # the authors overwrite what follows "f", here the end of the text
    named = name_person(clip, person, word)
    ids = [token for token, _ in clip.tokenize(entry["prompt"])["l"][0]]
    assert ids == GOLDEN[f"{case}.ids"][0].tolist()
    ((text, extra),) = named.encode_from_tokens_scheduled(named.tokenize(entry["prompt"]))
    assert text.shape == (1, 77, 768)
    tolerance = CHAIN if case == "eiffel_chain" else TEXT
    assert difference(text[0, GOLDEN[f"{case}.rows"].long()], GOLDEN[f"{case}.out_rows"]) < tolerance
    if case != "f_only":
        assert difference(extra["pooled_output"], GOLDEN[f"{case}.pooled"]) < tolerance
    rows = text[0].double()
    assert difference(rows.sum(1), GOLDEN[f"{case}.row_sum"]) < ROW_SUM
    assert difference(rows.abs().sum(1), GOLDEN[f"{case}.row_abssum"]) < ROW_ABSSUM
    assert difference(rows.square().sum(1), GOLDEN[f"{case}.row_sumsq"]) < ROW_SUMSQ
    if case == "eiffel":
        assert difference(text, GOLDEN["eiffel.out_full"]) < TEXT


def test_upper_case_and_other_words_give_the_same_text(clip, name_person, make_person):
    person = make_person()
    text = encode(name_person(clip, person, "f l"), "a photo of f l in a park")
    assert torch.equal(encode(name_person(clip, person, "F  L"), "a photo of F L in a park"), text)
    assert torch.equal(encode(name_person(clip, person, "anna"), "a photo of Anna in a park"), text)
    assert torch.equal(
        encode(name_person(clip, person, "anna maria smith"), "a photo of anna maria smith in a park"), text
    )
    assert difference(encode(clip, "a photo of f l in a park"), text) > 0.1


def test_emphasis(clip, name_person, make_person):
    """As for any word: the distance from the empty text is scaled."""
    named = name_person(clip, make_person(), "anna")
    plain, empty = encode(named, "photo of anna, red hair"), encode(clip, "")
    for text, weights in {
        "photo of (anna:1.4), red hair": {3: 1.4, 4: 1.4},
        "photo of ((anna)), red hair": {3: 1.21, 4: 1.21},
        "photo (of Anna, red:0.5) hair": dict.fromkeys(range(2, 7), 0.5),
    }.items():
        expected = plain.clone()
        for place, weight in weights.items():
            expected[0, place] = (plain[0, place] - empty[0, place]) * weight + empty[0, place]
        assert difference(encode(named, text), expected) < 1e-5, text


def test_long_prompts(clip, name_person, make_person):
    """In a later chunk the place counts from its start; a pair that does not fit moves whole to the next chunk."""
    named = name_person(clip, make_person(), "anna")
    text = encode(named, "very " * 75 + "anna in a park")
    assert text.shape == (1, 154, 768)
    assert difference(text[:, 77:], encode(named, "anna in a park")) < TEXT
    assert difference(text[:, :77], encode(clip, "very " * 75)) < TEXT
    for count, chunk, place in ((73, 0, 74), (74, 1, 1), (75, 1, 1), (76, 1, 2)):
        chunks = list_chunks(named, "very " * count + "anna")
        assert chunks[chunk][place : place + 2] == [("anna", 0), ("anna", 1)], count
        assert sum(isinstance(token, tuple) for part in chunks for token in part) == 2


def test_clip_skip(clip, name_person, make_person):
    person = make_person()
    named = name_person(clip, person, "anna")
    places = {3: person.vectors[0], 4: person.vectors[1]}
    assert (
        difference(encode(named, "photo of anna, red hair"), replace_rows(clip, "photo of x x, red hair", places))
        < TEXT
    )
    skipped = named.clone()
    skipped.clip_layer(-2)
    expected = replace_rows(clip, "photo of x x, red hair", places, LAYERS - 2)
    assert difference(encode(skipped, "photo of anna, red hair"), expected) < TEXT


def test_several_people(clip, name_person, make_person):
    anna, bert = make_person(), make_person("somebody else")
    both = name_person(name_person(clip, anna, "anna"), bert, "bert")
    places = {1: bert.vectors[0], 2: bert.vectors[1], 4: anna.vectors[0], 5: anna.vectors[1]}
    assert difference(encode(both, "bert and anna"), replace_rows(clip, "x x and x x", places)) < TEXT
    again = {1: anna.vectors[0], 2: anna.vectors[1], 4: anna.vectors[0], 5: anna.vectors[1]}
    assert difference(encode(both, "anna and anna"), replace_rows(clip, "x x and x x", again)) < TEXT


def test_other_clips_do_not_know_the_word(clip, name_person, make_person):
    before = encode(clip, "a photo of anna")
    state = {key: value.clone() for key, value in clip.cond_stage_model.state_dict().items()}
    sibling = clip.clone()
    first = name_person(clip, make_person(), "anna")
    second = name_person(first, make_person("somebody else"), "bert")
    known = encode(first, "a photo of anna")
    for other in (clip, sibling, clip.clone()):
        assert torch.equal(encode(other, "a photo of anna"), before)
    assert torch.equal(encode(first, "a photo of bert"), encode(clip, "a photo of bert"))
    assert torch.equal(encode(second, "a photo of anna"), known)
    assert torch.equal(encode(second.clone(), "a photo of anna"), known), "what is made of it later knows the word"
    for key, value in clip.cond_stage_model.state_dict().items():  # rows of unused words hold whatever was in memory
        assert torch.allclose(value, state[key], rtol=0, atol=0, equal_nan=True), key


def test_beside_textual_inversion(clip, name_person, make_person, tmp_path):
    """Vectors that the host leaves out, since they are for another encoder, do not shift the person's."""
    import safetensors.torch

    own, foreign = torch.randn(3, 768) * 0.02, torch.randn(2, 1024)
    safetensors.torch.save_file({"emb_params": own}, tmp_path / "freckles.safetensors")
    safetensors.torch.save_file({"emb_params": foreign}, tmp_path / "anna.safetensors")
    clip = clip.clone()
    clip.tokenizer = type(clip.tokenizer)(embedding_directory=[str(tmp_path)])
    person = make_person()
    named = name_person(clip, person, "anna")
    model = clip.cond_stage_model.clip_l.transformer.text_model
    positions = model.embeddings.position_embedding.weight
    places = {4: person.vectors[0], 5: person.vectors[1]}
    places |= {place: own[place - 1] + positions[place] for place in (1, 2, 3)}
    expected = replace_rows(clip, "x x x x x in a park", places)
    assert difference(encode(named, "embedding:freckles anna in a park"), expected) < TEXT
    places = {1: person.vectors[0], 2: person.vectors[1]}
    text = encode(named, "embedding:anna anna in a park")
    assert difference(text[:, :6], replace_rows(clip, "x x in a park", places)[:, :6]) < TEXT


def test_a_merged_text_encoder(clip, name_person, make_person):
    """The position embedding that counts is the one after patches, not the one in the file."""
    key = "clip_l.transformer.text_model.embeddings.position_embedding.weight"
    merged = clip.clone()
    change = torch.randn(77, 768, generator=torch.Generator().manual_seed(5)) * 0.1
    merged.add_patches({key: ("diff", (change,))})
    person = make_person()
    late = name_person(clip, person, "anna")
    late.add_patches({key: ("diff", (change,))})
    text = encode(name_person(merged, person, "anna"), "photo of anna, red hair")
    places = {3: person.vectors[0], 4: person.vectors[1]}
    assert difference(text, replace_rows(merged, "photo of x x, red hair", places)) < TEXT
    assert difference(encode(late, "photo of anna, red hair"), text) == 0, "patched by a node behind"
    plain = encode(name_person(clip, person, "anna"), "photo of anna, red hair")
    assert difference(plain, replace_rows(clip, "photo of x x, red hair", places)) < TEXT
    assert difference(plain, text) > 0.01


@pytest.mark.parametrize("word", ["anna:1.2", "", "(f l)"])
def test_words_that_cannot_be(host, clip, name_person, make_person, word):
    with pytest.raises(host.consistentid.errors.CaptionError, match="cannot stand for a person"):
        name_person(clip, make_person(), word)


def test_a_word_is_one_person(host, clip, name_person, make_person):
    named = name_person(clip, make_person(), "anna")
    with pytest.raises(host.consistentid.errors.CaptionError, match="'anna' stands for another person"):
        name_person(named, make_person("somebody else"), "Anna")


@pytest.mark.parametrize("encoders", [("g", "l"), ("h",), ()])
def test_only_sd1(host, clip, name_person, make_person, encoders):
    class OtherClip:
        def tokenize(self, text):
            return {name: [] for name in encoders}

    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=r"SD1\.4 and SD1\.5"):
        name_person(OtherClip() if encoders else None, make_person(), "anna")
