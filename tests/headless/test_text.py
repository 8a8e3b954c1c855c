"""Facial tokens in the text of transformers' encoders: the right places, and only those."""

from types import SimpleNamespace

import pytest
import torch

from consistentid.adapter.config import SD15, SDXL
from consistentid.errors import CaptionError, IncompatibleModelError
from consistentid.headless.clip_text import ClipText
from consistentid.headless.conditioning import encode_prompt
from consistentid.prompt.compose import compose_for_identity
from consistentid.prompt.encode import encode_plain
from consistentid.prompt.tokens import cut_markers, tokenize_plain

PROMPT = "a photo of a person in a forest"
LONG = ", ".join(f"detail number {i} of a rich scene" for i in range(24))


@pytest.fixture(scope="module")
def pipelines(standins, tmp_path_factory):
    """Tokenizers and text encoders as a pipeline of either base model has them."""
    folder = tmp_path_factory.mktemp("tokenizers")
    parts = {}
    for suffix, width, pad in (("", 768, standins.END), ("_2", 1280, "!")):
        standins.write_tokenizer(folder / f"tokenizer{suffix}", pad)
        parts[f"tokenizer{suffix}"] = standins._read_tokenizer(folder / f"tokenizer{suffix}")
        parts[f"text_encoder{suffix}"] = standins.make_text_encoder(width, projected=bool(suffix))
    first = {name: part for name, part in parts.items() if not name.endswith("_2")}
    return {"sd15": SimpleNamespace(**first), "sdxl": SimpleNamespace(**parts)}


@pytest.fixture(scope="module")
def clip(pipelines):
    return ClipText(pipelines["sd15"], SD15)


@pytest.fixture
def encode(clip, adapter, make_identity):
    def run(prompt=PROMPT, negative="blurry", caption="", alignment="auto", **fields):
        identity = make_identity(**fields)
        composed = compose_for_identity(prompt, caption, identity, SD15, clip, alignment)
        return encode_prompt(clip, adapter, identity, composed, negative), composed

    return run


def changed_rows(a, b):
    return (a != b).any(-1)[0].nonzero().flatten().tolist()


def words_at(clip, text, rows):
    tokenizer, ids = clip.tokenizers[0], [token for chunk in clip.tokenize(text).chunks["l"] for token, _ in chunk]
    return [tokenizer.convert_ids_to_tokens(ids[row]).removesuffix("</w>") for row in rows]


@pytest.mark.parametrize("prompt", [PROMPT, LONG, LONG + ", " + LONG, ""], ids=["short", "long", "longer", "empty"])
def test_facial_tokens_replace_the_marked_words_only(encode, clip, prompt):
    conditioning, composed = encode(prompt)
    text, facial = conditioning.text.positive, conditioning.facial.positive
    length = facial.shape[1]
    rows = changed_rows(text[:, :length], facial)
    assert words_at(clip, composed.plain, rows) == ["face", "ears", "eyes", "nose", "mouth"]
    plain = encode_plain(clip, composed.plain)[0].rows
    assert torch.equal(plain, text[:, : plain.shape[1]]) and length % 77 == 0


def test_each_region_meets_its_own_word(encode, clip, adapter, make_identity):
    """The row of each word is what FacialEncoder makes of that word and that region, nothing else."""
    caption = "Her eyes are brown and the nose is short. A broad mouth, a round face; small ears!"
    conditioning, composed = encode(caption=caption)
    text, facial = conditioning.text.positive, conditioning.facial.positive
    rows = changed_rows(text, facial)
    keys = {"face": "Face", "eyes": "Left_Eye", "ears": "Left_Ear", "nose": "Nose", "mouth": "Upper_Lip"}
    words = words_at(clip, composed.plain, rows)
    assert sorted(words) == sorted(keys)
    for row, word in zip(rows, words, strict=True):
        features = make_identity().region_features[keys[word]][None]
        token = adapter.facial_encoder.encode_regions(features)
        alone = adapter.facial_encoder(text, token, torch.tensor([row]))
        assert torch.allclose(facial[0, row], alone[0, row], atol=1e-5), word


def test_negative_gets_zero_tokens_at_the_same_positions(encode, clip, adapter, make_identity):
    conditioning, _ = encode(LONG)
    rows = changed_rows(conditioning.text.positive, conditioning.facial.positive)
    plain = encode_plain(clip, "blurry")[0].rows
    repeated = plain.repeat(1, conditioning.facial.negative.shape[1] // 77, 1)
    assert changed_rows(repeated, conditioning.facial.negative) == rows
    zero = adapter.facial_encoder.encode_regions(make_identity().zero_features[None])
    assert torch.allclose(
        conditioning.facial.negative, adapter.facial_encoder(repeated, zero, torch.tensor(rows)), atol=1e-5
    )
    assert torch.equal(conditioning.text.negative, conditioning.facial.negative), "SD1.5 does not delay the negative"


def test_both_texts_of_a_stage_have_one_length(encode, clip):
    conditioning, composed = encode("a person", negative=LONG)
    whole = encode_plain(clip, composed.plain)[0].rows
    chunks = conditioning.text.positive.split(whole.shape[1], dim=1)
    assert len(chunks) > 1 and all(torch.equal(chunk, whole) for chunk in chunks)
    for stage in (conditioning.text, conditioning.facial):
        assert stage.positive.shape == stage.negative.shape


def test_strengths_of_regions(encode):
    full, _ = encode()
    none, _ = encode(strengths=dict.fromkeys(("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip"), 0.0))
    assert torch.allclose(none.facial.positive, none.text.positive, atol=1e-6)
    some, _ = encode(strengths={"Nose": 0.0})
    assert len(changed_rows(full.facial.positive, some.facial.positive)) == 1


def test_published_cuts_at_77(encode, clip):
    conditioning, composed = encode(LONG, alignment="published")
    assert conditioning.facial.positive.shape == (1, 77, 768) == conditioning.facial.negative.shape
    cut = cut_markers(clip, composed)
    assert cut.chunks["l"][0][-1][0] != clip.tokenizers[0].eos_token_id, "the released code loses the end token"
    plain = tokenize_plain(clip, composed.plain, published=True)
    assert plain["l"][0][-1][0] == clip.tokenizers[0].eos_token_id


def test_missing_regions_and_unusable_texts(encode):
    _, composed = encode(regions=("Face", "Nose"))
    assert composed.marked.count("<|facial|>") == 2
    with pytest.raises(CaptionError, match="names none of the regions"):
        encode(caption="a tall person")
    with pytest.raises(CaptionError, match="Remove it from the prompt"):
        encode("a <|facial|> man")


def stack_uncond_cond(conditioning):
    return torch.stack([conditioning.id_tokens.nobody, conditioning.id_tokens.person])


def test_id_tokens_have_rows_without_and_with_the_person(encode, adapter, make_identity):
    tokens = stack_uncond_cond(encode()[0])
    assert tokens.shape == (2, 4, 768)
    nobody = stack_uncond_cond(encode(id_embedding=None)[0])
    assert torch.equal(nobody[0], tokens[0]) and not torch.equal(nobody[1], tokens[1])
    stacked = encode()[0].stack_id_tokens(3, guided=True)
    assert torch.equal(stacked[2], tokens[0]) and torch.equal(stacked[3], tokens[1])
    assert torch.equal(encode()[0].stack_id_tokens(2, guided=False)[1], tokens[1])


class FacialStub:
    """Stands for SDXL's 1.4 GB of networks: a facial token is the region's mean, in every channel."""

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fuse_module = torch.nn.Module()
            self.fuse_module.layer_norm = torch.nn.LayerNorm(1)

        def encode_regions(self, features):
            return features.mean((1, 2))[:, None].expand(-1, 2048)

        def forward(self, text, tokens, positions, strengths):
            out = text.clone()
            out[0, positions] = tokens.expand(len(positions), -1)
            return out

    config, source = SDXL, "stub"
    facial_encoder = Encoder()

    class id_projection(torch.nn.Module):
        norm = torch.nn.LayerNorm(1)

        def __new__(cls, embedding, features, shortcut):
            assert shortcut
            return torch.zeros(2, 4, 2048)


@pytest.mark.parametrize("alignment", ["auto", "published"])
def test_sdxl_stages(pipelines, make_identity, alignment):
    """The bare prompt first, with its own pooled embedding; the negative waits too, unless as published."""
    clip, identity = ClipText(pipelines["sdxl"], SDXL), make_identity()
    composed = compose_for_identity(PROMPT, "", identity, SDXL, clip, alignment)
    conditioning = encode_prompt(clip, FacialStub, identity, composed, "blurry")
    published = alignment == "published"
    ((bare, pooled, _),) = encode_plain(clip, PROMPT, published)
    assert torch.equal(conditioning.text.positive, bare) and torch.equal(conditioning.text.pooled, pooled)
    ((whole, whole_pooled, _),) = encode_plain(clip, composed.plain)
    if alignment == "auto":
        assert torch.equal(conditioning.facial.pooled, whole_pooled) and not torch.equal(whole_pooled, pooled)
        assert len(changed_rows(conditioning.facial.positive, whole)) == 5
    ((negative, negative_pooled, _),) = encode_plain(clip, "blurry", published)
    assert len(changed_rows(conditioning.facial.negative, negative)) == 5
    assert torch.equal(conditioning.text.negative, negative) == (alignment == "auto")
    assert torch.equal(conditioning.facial.negative_pooled, negative_pooled)


def test_sdxl_encoders_share_ids_and_differ_in_padding(pipelines):
    clip = ClipText(pipelines["sdxl"], SDXL)
    first, second = ([[token for token, _ in chunks[0]]] for chunks in clip.tokenize("a photo!").chunks.values())
    assert first[0][:6] == second[0][:6] and first[0][0] == clip.tokenizers[0].bos_token_id
    assert {first[0][-1], second[0][-1]} == {clip.tokenizers[0].eos_token_id, clip.tokenizers[1].pad_token_id}


def test_hidden_states_are_those_the_base_model_was_trained_with(pipelines):
    """SD1.5: last layer with final norm. SDXL: the layer before the last, without it. Taken here by hooks."""
    outputs = {}
    clip = ClipText(pipelines["sdxl"], SDXL)
    layer = clip.encoders[1].text_model.encoder.layers[-2]
    handle = layer.register_forward_hook(lambda module, inputs, out: outputs.update(g=out))
    text = encode_plain(clip, "a photo")[0].rows
    handle.remove()
    out = outputs["g"][0] if isinstance(outputs["g"], tuple) else outputs["g"]
    assert torch.equal(text[..., 768:], out.reshape(1, 77, 1280))
    first = ClipText(pipelines["sd15"], SD15)
    ((text, nothing, _),) = encode_plain(first, "a photo")
    norm = first.encoders[0].state_dict()
    name = next(key for key in norm if key.endswith("final_layer_norm.weight"))
    restored = (text - norm[name.replace("weight", "bias")]) / norm[name]
    assert nothing is None
    assert float(restored.mean(-1).abs().max()) < 1e-4 and abs(float(restored.std(-1, correction=0).mean()) - 1) < 1e-2


def test_other_text_encoders_are_refused(pipelines):
    with pytest.raises(IncompatibleModelError, match=r"widths \[768, 1280\].*\[768, None\]"):
        ClipText(pipelines["sd15"], SDXL)
