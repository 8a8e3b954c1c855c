"""Describing a photo with a tiny random Qwen2.5-VL in the layout in which Qwen publishes it."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_qwen import IDS, TEMPLATE, write_qwen

from consistentid.caption.clauses import normalise_caption
from consistentid.caption.describe import MAX_PATCHES, Captioner, load_captioner
from consistentid.caption.hub import find_cached
from consistentid.caption.quantisation import estimate_size
from consistentid.model_files.find import find_model
from consistentid.model_files.manifest import read_manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_qwen(tmp_path_factory.mktemp("LLM") / "Qwen2.5-VL-7B-Instruct")


@pytest.fixture(scope="module")
def captioner(folder) -> Captioner:
    return load_captioner(folder, torch.float32)


def make_photo(width: int = 60, height: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def asked(captioner, monkeypatch):
    """What the model is given."""
    seen = {}

    def generate(**options):
        seen.update(options)
        return options["input_ids"]

    monkeypatch.setattr(captioner.model, "generate", generate)
    return seen


def test_the_answer_is_repeatable_and_depends_on_the_photo(captioner):
    answers = [captioner.describe(make_photo(seed=seed), max_new_tokens=12) for seed in (0, 0, 1, 2, 3)]
    assert answers[0] == answers[1] != "" and len(set(answers)) > 1


def test_it_is_asked_in_its_own_chat_template(captioner, asked):
    captioner.describe(make_photo(), "What eyes?")
    text = captioner.processor.tokenizer.decode(asked["input_ids"][0])
    pads = text.count("<|image_pad|>")
    before, after = text.split("<|image_pad|>" * pads)
    assert before.endswith("<|im_start|>user\n<|vision_start|>") and before.startswith("<|im_start|>system\n")
    assert after == "<|vision_end|>What eyes?<|im_end|>\n<|im_start|>assistant\n"
    assert pads == 2 * 3, "one for each 28 px"


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|video_pad|>", "<|im_end|>"])
def test_a_question_cannot_end_the_turn_or_ask_for_another_photo(captioner, token):
    spoiled, plain = (captioner.describe(make_photo(), f"face{gap}eyes", 6) for gap in (token, " "))
    assert spoiled == plain != ""


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (1100, 1100), (9000, 200)])
def test_large_photos_are_made_smaller(captioner, asked, width, height):
    captioner.describe(make_photo(width, height))
    tokens = int((asked["input_ids"] == IDS["<|image_pad|>"]).sum())
    assert 0.9 * MAX_PATCHES < tokens <= MAX_PATCHES
    _, rows, columns = asked["image_grid_thw"][0].tolist()
    assert rows * columns == 4 * tokens and columns / rows == pytest.approx(width / height, rel=0.2)


def test_smaller_photos_stay_as_they_are(captioner, asked):
    photo = make_photo(840, 1120)
    captioner.describe(photo)
    whole = captioner.processor.image_processor(images=Image.fromarray(photo), return_tensors="pt")
    assert torch.equal(asked["pixel_values"], whole["pixel_values"])


def test_settings_for_sampling_are_not_complained_of(captioner, caplog):
    logging.getLogger("transformers").addHandler(caplog.handler)
    assert captioner.model.generation_config.temperature == pytest.approx(1e-6)
    with caplog.at_level(logging.WARNING):
        captioner.describe(make_photo(), max_new_tokens=3)
    logging.getLogger("transformers").removeHandler(caplog.handler)
    assert not caplog.records


def test_weights_made_in_bfloat16_are_not_read_in_float16(folder):
    for asked, expected in ((torch.float16, torch.bfloat16), (torch.float32, torch.float32)):
        loaded = load_captioner(folder, asked)
        assert {parameter.dtype for parameter in loaded.model.parameters()} == {expected}
    assert load_captioner(folder).describe(make_photo(), max_new_tokens=8)


def test_it_is_found_in_models_and_in_the_cache(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    assert find_model(read_manifest()["captioner_qwen"], [folder.parent]) == folder
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--Qwen--Qwen2.5-VL-7B-Instruct" / "snapshots" / "v1"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folder)
    assert find_cached() == {"Qwen/Qwen2.5-VL-7B-Instruct": snapshot}


def test_size_in_4_bits(folder, captioner):
    weights = sum(parameter.numel() for parameter in captioner.model.parameters())
    assert weights / 2 < estimate_size(folder, "4-bit") < weights


def test_the_template_may_be_in_the_tokenizers_file(folder, tmp_path):
    """As in copies that others publish."""
    copy = shutil.copytree(folder, tmp_path / "older")
    (copy / "chat_template.json").unlink()
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": TEMPLATE}))
    first, second = (load_captioner(one, torch.float32) for one in (folder, copy))
    assert second.describe(make_photo(), max_new_tokens=6) == first.describe(make_photo(), max_new_tokens=6) != ""


ANSWER = """Certainly! Here is a description of the person's facial features:

1. **Face**: The person has an oval face with smooth, fair skin.
2. **Ears**: The ears are partially covered by the hair.
3. **Eyes**: The eyes are large, dark brown and almond-shaped.
4. **Nose**: The nose is straight and narrow.
5. **Mouth**: The lips are full, with a slight smile.
"""


def test_an_answer_in_a_numbered_list_becomes_clauses():
    clauses = normalise_caption(ANSWER).split(", ")
    assert clauses[1:] == ["two ears", "eyes are large", "nose is straight and narrow", *clauses[4:]]
    assert clauses[0].startswith("oval face") and clauses[4] == "lips are full with a slight smile"
