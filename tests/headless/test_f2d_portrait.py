"""Words for people in a diffusers pipeline: the authors' numbers, long prompts, and the command."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden_data import difference, read_tensors
from golden_data.face2diffusion import CASES, CHAIN, ROW_ABSSUM, ROW_SUM, ROW_SUMSQ, TEXT, make_state, write_package
from PIL import Image

from consistentid.adapter.config import SD15, SDXL
from consistentid.adapter.tokens import Pair
from consistentid.errors import ConsistentIDError, IncompatibleModelError
from consistentid.face2diffusion.encoder import TextIdentity
from consistentid.headless.clip_text import ClipText
from consistentid.headless.conditioning import Conditioning, encode_prompt, make_stage
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.prompt.compose import compose_for_identity
from consistentid.prompt.encode import encode_plain
from consistentid.prompt.tokens import place_markers

GOLDEN = read_tensors("f2d_text.safetensors")
MAPPING = read_tensors("f2d_mapping.safetensors")
BEGIN, END = 49406, 49407


IDS = {
    word: token
    for entry in CASES["prompts"].values()
    for word, token in zip(entry["prompt"].lower().split(), entry["ids_unpadded"][1:-1], strict=True)
}


class Tokenizer:
    """CLIP's ids of the words in the golden prompts; other words get ids of their own."""

    bos_token_id, eos_token_id, pad_token_id = BEGIN, END, END

    def __call__(self, text, add_special_tokens, verbose):
        words = re.findall(r"\w+|[^\w\s]+", text.lower())
        return SimpleNamespace(input_ids=[IDS.get(word, 1000 + len(word)) for word in words])


@pytest.fixture(scope="module")
def pipeline():
    """The golden text encoder in transformers."""
    from transformers import CLIPTextConfig, CLIPTextModel

    encoder = CLIPTextModel(CLIPTextConfig(**CASES["text_config"], bos_token_id=BEGIN, eos_token_id=END)).eval()
    prefix = "text_model." if hasattr(encoder, "text_model") else ""
    state = {prefix + key.removeprefix("text_model."): value for key, value in make_state("text").items()}
    missing, unexpected = encoder.load_state_dict(state, strict=False)
    assert not unexpected and all("position_ids" in key for key in missing)
    return SimpleNamespace(tokenizer=Tokenizer(), text_encoder=encoder)


def make_person(run: str) -> TextIdentity:
    return TextIdentity(torch.cat((MAPPING[f"{run}.first"], MAPPING[f"{run}.last"])))


@pytest.mark.parametrize("case", CASES["prompts"])
def test_golden_texts(pipeline, case):
    entry = CASES["prompts"][case]
    word = "f" if case == "f_only" else "f l"  # the authors overwrite what follows "f", here the end of the text
    clip = ClipText(pipeline, SD15, {word: make_person("msid_astronaut" if "msid" in entry["injected"] else "none")})
    text = encode_plain(clip, entry["prompt"])[0].rows
    tolerance = CHAIN if case == "eiffel_chain" else TEXT
    assert text.shape == (1, 77, 768)
    assert difference(text[0, GOLDEN[f"{case}.rows"].long()], GOLDEN[f"{case}.out_rows"]) < tolerance
    rows = text[0].double()
    assert difference(rows.sum(1), GOLDEN[f"{case}.row_sum"]) < ROW_SUM
    assert difference(rows.abs().sum(1), GOLDEN[f"{case}.row_abssum"]) < ROW_ABSSUM
    assert difference(rows.square().sum(1), GOLDEN[f"{case}.row_sumsq"]) < ROW_SUMSQ


def test_the_encoder_is_left_as_it_was(pipeline):
    plain, named = ClipText(pipeline, SD15), ClipText(pipeline, SD15, {"f l": make_person("none")})
    before = encode_plain(plain, "a photo of f l")[0].rows
    known = encode_plain(named, "a photo of f l")[0].rows
    after = encode_plain(plain, "a photo of f l")[0].rows
    assert torch.equal(before, after) and difference(before, known) > 0.1
    same = encode_plain(named, "a photo of bread")[0].rows
    assert torch.equal(same, encode_plain(plain, "a photo of bread")[0].rows)


def test_long_prompts_keep_a_pair_together(pipeline):
    people = {"f l": make_person("none"), "anna": make_person("msid_astronaut")}
    clip = ClipText(pipeline, SD15, people)
    for count, lengths in ((73, [75]), (74, [74, 2]), (75, [75, 2])):
        (chunks,) = clip.tokenize("photo " * count + "anna").chunks.values()
        chunks = [[token for token, _ in chunk] for chunk in chunks]
        inner = [[token for token in chunk[1:-1] if token != END] for chunk in chunks]
        assert [len(chunk) for chunk in inner] == lengths, count
        assert inner[-1][-2:] == [-4, -5] and all(len(chunk) == 77 for chunk in chunks)
    text = encode_plain(clip, "photo " * 74 + "anna and f l")[0].rows
    alone = encode_plain(clip, "anna and f l")[0].rows
    assert difference(text[:, 77:], alone) < TEXT


@pytest.mark.parametrize("count", [3, 70, 74])
def test_facial_tokens_beside_people(pipeline, adapter, make_identity, count):
    """They go to the same words as without the person, wherever a chunk is cut."""
    clip, identity = ClipText(pipeline, SD15, {"anna": make_person("none")}), make_identity()
    prompt = "photo " * count + "anna, "
    composed = compose_for_identity(prompt, "a round face, a small nose", identity, SD15, clip)
    conditioning = encode_prompt(clip, adapter, identity, composed, "")
    text, facial = conditioning.text.positive, conditioning.facial.positive
    rows = (text != facial).any(-1)[0].nonzero().flatten().tolist()
    tokens = [token for chunk in clip.tokenize(composed.plain).chunks["l"] for token, _ in chunk]
    words = clip.tokenizers[0]("face nose", False, False).input_ids
    assert [tokens[row] for row in rows] == words
    marked = place_markers(clip, composed)
    assert torch.equal(text, clip.encode(marked.chunks)[0].rows) and marked.positions == {"l": rows}


def test_words_are_for_sd1(pipeline):
    two = SimpleNamespace(**vars(pipeline), tokenizer_2=Tokenizer())
    two.text_encoder_2 = SimpleNamespace(config=SimpleNamespace(hidden_size=1280))
    with pytest.raises(IncompatibleModelError, match=r"SD1\.4 and SD1\.5, not for SDXL"):
        ClipText(two, SDXL, {"f l": make_person("none")})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"face": "", "identity": "x.safetensors"}, "reads the photo; name it with --face"),
        ({"id_embedding": False}, "leave out --no-id-embedding"),
        ({"base": "sdxl"}, r"SD1\.4 and SD1\.5"),
        ({"word": "", "face2diffusion": "folder"}, "nothing without --word"),
        ({"prompt": "a photo of a woman"}, "does not hold 'anna'"),
        ({"word": "(anna)"}, "cannot stand for a person"),
        ({"alignment": "published"}, "choose auto or matched"),
    ],
)
def test_choices_that_cannot_be(settings, message):
    usual = {"face": "x.png", "word": "Anna", "prompt": "a photo of anna"}
    PortraitSettings(**usual).check()
    with pytest.raises(ConsistentIDError, match=message):
        PortraitSettings(**{**usual, **settings}).check()


def test_the_command(files, photo, tmp_path, monkeypatch):
    """Alone, without the files of ConsistentID; beside it, at weights of 0, the person is the same."""
    import consistentid.headless.portrait as portrait
    from consistentid.__main__ import main

    def encode_text(clip, adapter, identity, composed, negative):
        """Without facial tokens, which take their time."""
        texts = (encode_plain(clip, text)[0].rows for text in ("a photo of Anna", negative))
        stage = make_stage(*texts, None, None)
        return Conditioning(stage, stage, Pair(*torch.zeros(2, 4, 768)))

    write_package(tmp_path / "models" / "consistentid" / "face2diffusion")
    size = ("--steps", 2, "--width", 64, "--height", 64, "--seed", 1, "--scheduler", "euler_a")

    def draw(name, *options) -> np.ndarray:
        words = ("portrait", "--out", tmp_path / name, "--models-folder", tmp_path / "models", *options)
        assert main([str(word) for word in words]) == 0
        return np.asarray(Image.open(tmp_path / name)).astype(int)

    def name_files(*names):
        return [word for name in names for word in (f"--{name.replace('_', '-')}", files[name])]

    given = ("--face", photo, "--prompt", "a photo of Anna", "--word", "anna", *size)
    given += tuple(name_files("checkpoint", "face_package"))
    known = draw("known.png", *given, "--no-consistentid")
    assert np.array_equal(draw("again.png", "--from-png", tmp_path / "known.png"), known)
    monkeypatch.setattr(portrait, "encode_prompt", encode_text)
    more = name_files("adapter", "clip_vision", "face_parser")
    beside = draw("beside.png", *given, *more, "--weight", 0, "--lora-weight", 0)
    assert np.abs(beside - known).max() <= 1
    monkeypatch.setattr(portrait, "read_people", lambda *_: {})
    assert np.abs(draw("unknown.png", *given, "--no-consistentid") - known).max() > 1
