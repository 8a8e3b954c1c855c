"""The base model's recipe: pictures, words, autoencoder and UNet, for a few steps."""

import json
import multiprocessing
import os

import numpy as np
import pytest
import torch

from zoo.drawn_faces import draw_portrait, sample_person, sample_scene
from zoo.recipe import base_model
from zoo.recipe.autoencoder import (
    FACE_WEIGHT,
    encode_pictures,
    halve,
    measure_psnr,
    sample_crops,
    start_autoencoder,
    train_autoencoder,
    train_decoder,
)
from zoo.recipe.base_model import SIDE_PX, train_base_model, weigh_faces, write_base_model
from zoo.recipe.fit import fit
from zoo.recipe.language import FORMS, read_tokenizer, tokenize, write_text, write_texts, write_tokenizer
from zoo.recipe.pictures import draw_pictures
from zoo.recipe.recogniser import crop_faces, train_recogniser


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"), range(2), 3, processes=1)


@pytest.fixture(scope="module")
def words(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder, [text for row in write_texts(pictures) for text in row])
    return folder


@pytest.fixture(scope="module")
def tokenizer(words):
    return read_tokenizer(words)


def test_pictures_are_the_drawn_ones_and_kept(pictures, tmp_path):
    again = draw_pictures(tmp_path, range(1, 2), 3, processes=1)
    portrait = draw_portrait(sample_person(1), sample_scene(1 * 3 + 2), pictures.images.shape[1])
    assert np.array_equal(again.images[2], portrait.image) and np.array_equal(pictures.images[5], portrait.image)
    assert np.array_equal(pictures.labels[5], portrait.labels) and pictures.name(5) == again.name(2)
    (tmp_path / "1-2x3" / "images.npy").touch()
    before = (tmp_path / "1-2x3" / "images.npy").stat().st_mtime_ns
    draw_pictures(tmp_path, range(1, 2), 3, processes=1)
    assert (tmp_path / "1-2x3" / "images.npy").stat().st_mtime_ns == before


def test_every_word_of_a_text_is_one_token(tokenizer):
    person, scene = sample_person(0), sample_scene(0)
    text = write_text(person, scene, "looks and features")
    ids = tokenizer(text).input_ids
    words = [token.removesuffix("</w>") for token in tokenizer.convert_ids_to_tokens(ids[1:-1])]
    assert "".join(words) == text.lower().replace(" ", "")
    assert all(token.endswith("</w>") for token in tokenizer.convert_ids_to_tokens(ids[1:-1]))
    spelt = tokenizer("Été, xylophone").input_ids
    assert tokenizer.decode(spelt, skip_special_tokens=True).strip() == "été , xylophone"


def test_forms_of_text(tokenizer):
    person, scene = sample_person(0), sample_scene(0)
    texts = {form: write_text(person, scene, form) for form in FORMS}
    assert sum(FORMS.values()) == pytest.approx(1) and texts["nothing"] == ""
    assert texts["looks and features"].startswith(texts["looks"]) and " Detail: " in texts["looks and features"]
    assert f"{person.hair_colour}" in texts["looks"] and f" {person.nose} nose" not in texts["scene"]
    assert f"{person.brows} eyebrows" in texts["scene and face"] and "eyebrows" not in texts["scene and features"]
    assert texts["scene and whole sentence"] == f"{texts['scene and sentence']} two eyebrows, hair,"
    assert (tokenize(tokenizer, list(texts.values()))[:, -1] == tokenizer.eos_token_id).all(), "a text was cut"


def test_halving_is_the_mean_of_four_pixels():
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[0, 0] = 4
    assert halve(picture).tolist() == [[[1, 1, 1], [0, 0, 0]]]


def test_parts_of_faces_count_more(pictures):
    pixels, weights = sample_crops(pictures, np.random.default_rng(0))
    assert pixels.shape == (16, 3, 64, 64) and np.abs(pixels).max() <= 1
    assert weights.min() == 1 and weights.max() == FACE_WEIGHT
    assert weights[1::2].mean() > weights[::2].mean(), "parts around faces have more of them"


def test_a_base_model_learns_the_noise_and_is_read_as_it_was_written(pictures, words, tokenizer, tmp_path, monkeypatch):
    from diffusers import AutoencoderTiny, DDPMScheduler, StableDiffusionPipeline

    monkeypatch.setattr(base_model, "BATCH", 4)
    latents = torch.sin(torch.arange(6 * 4 * 16 * 16).float()).reshape(6, 4, 16, 16)
    parts = train_base_model(pictures, latents, tokenizer, 30, tmp_path)
    noise, times = torch.randn(6, 4, 16, 16, generator=torch.Generator().manual_seed(0)), torch.full((6,), 400)
    noisy = DDPMScheduler(**base_model.NOISE).add_noise(latents, noise, times)
    text = parts["text_encoder"](torch.from_numpy(tokenize(tokenizer, [""] * 6))).last_hidden_state
    assert (parts["unet"](noisy, times, text).sample - noise).square().mean() < 0.8
    vae = AutoencoderTiny()
    write_base_model(parts, vae, words, tmp_path / "base")
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "base", torch_dtype=None)
    read = pipeline.unet.float().state_dict()
    assert all(torch.equal(value.half().float(), read[key]) for key, value in parts["unet"].state_dict().items())
    assert parts["unet"].dtype is vae.dtype is torch.float32
    assert (tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size < 10e6
    ids = pipeline.tokenizer("a woman with brown eyes").input_ids
    assert ids == tokenizer("a woman with brown eyes").input_ids
    check_tokenizer_files(tmp_path / "base" / "tokenizer")


def test_the_tokenizer_that_comes_with_the_pack_is_for_all_versions_of_transformers(zoo_models):
    check_tokenizer_files(zoo_models / "base" / "tokenizer")


def check_tokenizer_files(folder):
    """Up to version 4 transformers reads two of them, from 5 on the third; they say the same."""
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    assert read_tokenizer(folder).get_vocab() == vocabulary
    assert json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"] == vocabulary
    assert (folder / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")


def test_an_autoencoder_is_trained_and_its_decoder_alone(pictures, tmp_path):
    vae = train_autoencoder(pictures, 3, tmp_path)
    latents = encode_pictures(vae, pictures.images)
    assert latents.shape == (6, 4, SIDE_PX // 8, SIDE_PX // 8)
    decoder = {key: value.clone() for key, value in vae.decoder.state_dict().items()}
    train_decoder(vae, pictures, 3, tmp_path)
    assert torch.equal(encode_pictures(vae, pictures.images), latents)
    assert any(not torch.equal(value, decoder[key]) for key, value in vae.decoder.state_dict().items())


def test_latents_of_features_count_more(pictures):
    weights = weigh_faces(pictures.labels)
    assert weights.shape == (6, 1, 16, 16) and weights.mean() == pytest.approx(1)
    x, y = (pictures.landmarks[0, 2] // 16).astype(int)
    assert weights[0, 0, y, x] > weights[0, 0, 0, 0]


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
    assert person == sample_person(0, held_out=True) and scene != sample_scene(1)
    assert np.array_equal(held_out.images[1], draw_portrait(person, scene, held_out.images.shape[1]).image)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    model, losses = torch.nn.Linear(1, 1), iter([1, 1, float("nan")])
    with pytest.raises(ArithmeticError, match="nothing is nan in step 2"):
        fit("nothing", model, lambda rng: (), lambda: model.weight.sum() * next(losses), 9, 0.1, 0, tmp_path)
    assert torch.isfinite(model.weight).all()


def test_the_learning_rate_rises_stays_and_falls(tmp_path):
    """With AdamW and a constant gradient each step moves the weight by the learning rate."""
    model, places = torch.nn.Linear(1, 1, bias=False), []

    def measure_loss():
        places.append(model.weight.item())
        return model.weight.sum()

    fit("steps", model, lambda rng: (), measure_loss, 100, 0.01, 0, tmp_path, weight_decay=0.0)
    moves = -np.diff(places)
    assert moves[10:65] == pytest.approx(0.01, rel=1e-3) and moves[0] < 0.006
    assert (np.diff(moves[75:]) < 0).all() and moves[-1] < 0.001


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes cannot be forked here")
def test_samples_made_ahead_are_the_same(pictures, tmp_path, monkeypatch):
    def train(workers):
        monkeypatch.setattr("zoo.recipe.fit.count_workers", lambda: workers)
        return train_recogniser(pictures, 2, tmp_path / str(workers)).state_dict(), list(makers)

    def crop(*arguments, **options):
        makers.append(os.getpid())
        return crop_faces(*arguments, **options)

    makers = []
    monkeypatch.setattr("zoo.recipe.recogniser.crop_faces", crop)
    monkeypatch.setattr("zoo.recipe.recogniser.BATCH", 4)
    ahead, here = train(2), train(0)
    assert all(torch.equal(value, here[0][key]) for key, value in ahead[0].items())
    assert ahead[1] == [] and here[1] == [os.getpid()] * 2, "what was made ahead was made elsewhere"


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.recipe.fit.KEPT_SECONDS", 0)

    def train(folder, stop=None):
        torch.manual_seed(1)
        model, seen = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)), []

        def measure_loss(number):
            if len(seen) == stop:
                raise KeyboardInterrupt
            seen.append(number)
            return (model(torch.randn(4, 2)) - seen[-1]).square().mean()

        try:
            fit("halves", model, lambda rng: (rng.random(),), measure_loss, 120, 0.01, 0, folder, averaged=True)
        except KeyboardInterrupt:
            assert (folder / "halves.pt").exists()
        return model.state_dict(), seen

    whole, seen = train(tmp_path / "whole")
    _, first = train(tmp_path / "parts", stop=70)
    parts, second = train(tmp_path / "parts")
    assert len(second) == 50 and first + second == seen
    assert all(torch.equal(parts[key], whole[key]) for key in whole)
    curves = [np.genfromtxt(tmp_path / run / "halves.csv", delimiter=",", names=True) for run in ("whole", "parts")]
    assert len(curves[0]) == 2 and np.array_equal(curves[0]["loss"], curves[1]["loss"])
    again, nothing = train(tmp_path / "parts")
    assert nothing == [] and all(torch.equal(again[key], whole[key]) for key in whole)
    with pytest.raises(ValueError, match=r"halves.pt is of a training with .*'learning_rate': 0.01"):
        fit("halves", torch.nn.Linear(1, 1), None, None, 120, 0.02, 0, tmp_path / "parts")
