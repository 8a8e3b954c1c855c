"""Describing a photo with a tiny random LLaVA in transformers' own folder format."""

import numpy as np
import pytest
import torch

from consistentid.caption.describe import MAX_NEW_TOKENS, QUESTION, Captioner, load_captioner


@pytest.fixture(scope="module")
def captioner(llava_folder):
    return load_captioner(llava_folder, torch.float32)


def make_photo(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (50, 40, 3), dtype=np.uint8)


def test_description_is_words_and_repeatable(captioner):
    photo = make_photo()
    before = photo.copy()
    answers = {captioner.describe(photo, max_new_tokens=12) for _ in range(3)}
    assert len(answers) == 1 and answers.pop()
    assert np.array_equal(photo, before)


def test_description_depends_on_the_photo(captioner):
    assert len({captioner.describe(make_photo(seed), max_new_tokens=20) for seed in range(4)}) > 1


def test_question_is_not_part_of_the_answer(captioner):
    answer = captioner.describe(make_photo(), question="face eyes nose", max_new_tokens=3)
    assert len(answer.split()) <= 3


def test_a_question_cannot_ask_for_a_second_photo(captioner):
    spoiled, plain = (captioner.describe(make_photo(), f"face{gap}eyes", 6) for gap in ("<image>", " "))
    assert spoiled == plain != ""


@pytest.mark.parametrize("limit", [1, 5, 30])
def test_token_limit_and_reports(captioner, limit, monkeypatch):
    monkeypatch.setattr(captioner.model.generation_config, "eos_token_id", None)  # never ends by itself
    calls = []
    captioner.describe(make_photo(), max_new_tokens=limit, on_token=lambda: calls.append(1))
    assert len(calls) == limit


class Stop(Exception):
    pass


def test_exception_in_on_token_ends_the_description(captioner):
    calls = []

    def stop_at_third():
        calls.append(1)
        if len(calls) == 3:
            raise Stop

    with pytest.raises(Stop):
        captioner.describe(make_photo(), on_token=stop_at_third)
    assert len(calls) == 3
    assert captioner.describe(make_photo(), max_new_tokens=2), "usable afterwards"


def test_loaded_model(llava_folder):
    captioner = load_captioner(str(llava_folder))
    assert isinstance(captioner, Captioner) and isinstance(captioner.model, torch.nn.Module)
    assert not captioner.model.training
    assert {p.dtype for p in captioner.model.parameters()} == {torch.float16}
    assert {p.device.type for p in captioner.model.parameters()} == {"cpu"}


def test_defaults_are_the_published_ones(captioner, monkeypatch):
    seen = {}

    def generate(**options):
        seen.update(options)
        return options["input_ids"]

    monkeypatch.setattr(captioner.model, "generate", generate)
    assert captioner.describe(make_photo()) == ""
    assert seen["do_sample"] is False and seen["max_new_tokens"] == MAX_NEW_TOKENS == 512
    assert all(word in QUESTION for word in ("face", "ears", "eyes", "nose", "mouth"))
