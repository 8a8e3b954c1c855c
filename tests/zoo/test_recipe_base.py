"""The base model's recipe: pictures, words, autoencoder and UNet, for a few steps."""

import numpy as np
import pytest
import torch

from zoo.drawn_faces import draw_person, draw_portrait, draw_scene
from zoo.recipe.autoencoder import (
    FACE_WEIGHT,
    cut_parts,
    encode_pictures,
    halve,
    measure_psnr,
    start_autoencoder,
    train_autoencoder,
)
from zoo.recipe.base_model import SIDE_PX, build_pipeline, train_base_model
from zoo.recipe.fit import fit
from zoo.recipe.language import FORMS, read_tokenizer, tokenize, write_text, write_texts, write_tokenizer
from zoo.recipe.pictures import draw_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"), range(2), 3, processes=1)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder, [text for row in write_texts(pictures) for text in row])
    return read_tokenizer(folder)


def test_pictures_are_the_drawn_ones_and_kept(pictures, tmp_path):
    again = draw_pictures(tmp_path, range(1, 2), 3, processes=1)
    portrait = draw_portrait(draw_person(1), draw_scene(1 * 3 + 2), pictures.images.shape[1])
    assert np.array_equal(again.images[2], portrait.image) and np.array_equal(pictures.images[5], portrait.image)
    assert np.array_equal(pictures.labels[5], portrait.labels) and pictures.name(5) == again.name(2)
    (tmp_path / "1-2x3" / "images.npy").touch()
    before = (tmp_path / "1-2x3" / "images.npy").stat().st_mtime_ns
    draw_pictures(tmp_path, range(1, 2), 3, processes=1)
    assert (tmp_path / "1-2x3" / "images.npy").stat().st_mtime_ns == before


def test_every_word_of_a_text_is_one_token(tokenizer):
    person, scene = draw_person(0), draw_scene(0)
    text = write_text(person, scene, "looks and face")
    ids = tokenizer(text).input_ids
    words = [token.removesuffix("</w>") for token in tokenizer.convert_ids_to_tokens(ids[1:-1])]
    assert "".join(words) == text.lower().replace(" ", "")
    assert all(token.endswith("</w>") for token in tokenizer.convert_ids_to_tokens(ids[1:-1]))
    spelt = tokenizer("Été, xylophone").input_ids
    assert tokenizer.decode(spelt, skip_special_tokens=True).strip() == "été , xylophone"


def test_forms_of_text(tokenizer):
    person, scene = draw_person(0), draw_scene(0)
    texts = {form: write_text(person, scene, form) for form in FORMS}
    assert sum(FORMS.values()) == pytest.approx(1) and texts["nothing"] == ""
    assert texts["looks and face"].startswith(texts["looks"]) and " Detail: " in texts["looks and face"]
    assert f"{person.hair_colour}" in texts["looks"] and f" {person.nose} nose" not in texts["scene"]
    assert (tokenize(tokenizer, list(texts.values()))[:, -1] == tokenizer.eos_token_id).all(), "a text was cut"


def test_halving_is_the_mean_of_four_pixels():
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[0, 0] = 4
    assert halve(picture).tolist() == [[[1, 1, 1], [0, 0, 0]]]


def test_parts_of_faces_count_more(pictures):
    pixels, weights = cut_parts(pictures, np.random.default_rng(0))
    assert pixels.shape == (16, 3, 64, 64) and pixels.abs().max() <= 1
    assert weights.min() == 1 and weights.max() == FACE_WEIGHT
    assert weights[1::2].mean() > weights[::2].mean(), "parts around faces have more of them"


def test_a_base_model_is_trained_and_draws(pictures, tokenizer, tmp_path):
    vae = train_autoencoder(pictures, 3, tmp_path)
    latents = encode_pictures(vae, pictures.images)
    assert latents.shape == (6, 4, SIDE_PX // 8, SIDE_PX // 8)
    parts = train_base_model(pictures, latents, tokenizer, 3, tmp_path)
    assert all(torch.isfinite(parameter).all() for parameter in parts.parameters())
    pipeline = build_pipeline(parts, vae, tokenizer)
    pipeline.set_progress_bar_config(disable=True)
    arguments = {"num_inference_steps": 2, "width": SIDE_PX, "height": SIDE_PX, "output_type": "np"}
    pictures = [
        pipeline("a woman", generator=torch.Generator().manual_seed(0), **arguments).images[0],
        pipeline("a man", generator=torch.Generator().manual_seed(0), **arguments).images[0],
    ]
    assert pictures[0].shape == (SIDE_PX, SIDE_PX, 3) and np.abs(pictures[0] - pictures[1]).max() > 0


def test_an_untrained_autoencoder_draws_mean_colours(pictures):
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    vae = start_autoencoder(AutoencoderTiny())
    assert measure_psnr(vae, pictures) > 18
    spread = encode_pictures(vae, pictures.images).std(dim=(0, 2, 3))
    assert (spread > 0.2).all() and (spread < 1.5).all(), "no channel drowns in the noise"


def test_held_out_people_have_scenes_of_their_own(tmp_path):
    held_out = draw_pictures(tmp_path, range(1), 2, held_out=True, processes=1)
    person, scene = held_out.name(1)
    assert person == draw_person(0, held_out=True) and scene != draw_scene(1)
    assert np.array_equal(held_out.images[1], draw_portrait(person, scene, held_out.images.shape[1]).image)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    model = torch.nn.Linear(1, 1)
    with pytest.raises(ArithmeticError, match="nothing is nan in step 2"):
        fit("nothing", model, lambda step: model.weight.sum() * (float("nan") if step == 2 else 1), 9, 0.1, tmp_path)
    assert torch.isfinite(model.weight).all()


def test_the_learning_rate_rises_stays_and_falls(tmp_path):
    """With AdamW and a constant gradient each step moves the weight by the learning rate."""
    model, places = torch.nn.Linear(1, 1, bias=False), []

    def measure_loss(step):
        places.append(model.weight.item())
        return model.weight.sum()

    fit("steps", model, measure_loss, 100, 0.01, tmp_path, weight_decay=0.0)
    moves = -np.diff(places)
    assert moves[10:65] == pytest.approx(0.01, rel=1e-3) and moves[0] < 0.006
    assert (np.diff(moves[75:]) < 0).all() and moves[-1] < 0.001
