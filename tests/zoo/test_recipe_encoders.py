"""The zoo's image encoder and judge: what they are told of a picture, how they are trained, written and read again."""

import csv

import numpy as np
import pytest
import torch

from consistentid.errors import CheckpointError
from consistentid.face.region_words import REGION_WORDS
from consistentid.face.regions import fit_clip, isolate_region, preprocess_clip, select_regions
from zoo.drawn_faces import sample_person, sample_scene, write_scene_prompt
from zoo.recipe import fit, image_encoder, judge, traits
from zoo.recipe.augmentation import augment, random_affine
from zoo.recipe.pictures import Pictures, draw_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Pictures:
    """Two people in two scenes."""
    return draw_pictures(tmp_path_factory.mktemp("pictures"), range(4, 6), 2, processes=1)


def name_traits(targets) -> dict[str, str | None]:
    found = zip(traits.TRAITS, targets, strict=True)
    return {trait.name: None if target == traits.HIDDEN else trait.classes[target] for trait, target in found}


def read_losses(path) -> list[float]:
    with path.open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_traits_are_those_of_the_person_and_the_scene():
    seen = {trait.name: set() for trait in traits.TRAITS}
    for seed in range(400):
        person, scene = sample_person(seed), sample_scene(seed)
        named = name_traits(traits.read_traits(person, scene))
        assert (named["skin"], named["eye colour"], named["nose"]) == (person.skin, person.eye_colour, person.nose)
        assert (named["clothes"], named["expression"]) == (scene.clothes, scene.expression)
        assert (named["hair colour"] is None) == (person.hair == "bald")
        assert (named["backdrop colour"] is None) == (scene.background != "studio")
        assert (named["hat colour"] is None) == (scene.hat in ("none", "crown", "straw hat"))
        assert (named["hair"] is None) == (scene.hat != "none"), "a hat hides how the hair is cut"
        says_colour = f"{scene.hat_colour} {scene.hat}" in write_scene_prompt(person, scene)
        assert says_colour == (named["hat colour"] is not None)
        for name, value in named.items():
            seen[name].add(value)
    assert all(seen[trait.name] >= set(trait.classes) for trait in traits.TRAITS)


def test_ears_under_hair_are_not_told():
    people = [(sample_person(seed), sample_scene(seed)) for seed in range(100)]
    told = {person.hair: name_traits(traits.read_traits(person, scene))["ears"] for person, scene in people}
    assert told["long straight"] is None and told["buzz-cut"] is not None


def test_a_region_shows_its_own_traits_only():
    targets = traits.read_traits(sample_person(4), sample_scene(9))
    shown = {name for name, value in name_traits(traits.keep_shown(targets, "eyes")).items() if value}
    assert shown == {"eye colour", "eye shape", "eye size"}
    words = {word for trait in traits.TRAITS for word in trait.regions}
    assert words == set(REGION_WORDS.values()), "every region teaches something"


def test_accuracy_counts_shown_traits_only():
    targets = np.zeros((3, len(traits.TRAITS)), dtype=np.int64)
    targets[:, 0] = (0, 1, traits.HIDDEN)
    targets[:, 1] = traits.HIDDEN
    told = [np.eye(len(trait.classes))[[0, 0, 0]] for trait in traits.TRAITS]
    accuracy = traits.measure_accuracy(told, targets)
    assert accuracy["kind"] == 0.5 and accuracy["skin"] == 1.0 and "age" not in accuracy


def test_each_picture_counts_the_same_however_many_traits_it_shows():
    logits = [torch.zeros(3, len(trait.classes)) for trait in traits.TRAITS]
    targets = torch.full((3, len(traits.TRAITS)), traits.HIDDEN)
    assert traits.measure_trait_loss(logits, targets) == 0
    targets[0, 2] = 1
    assert traits.measure_trait_loss(logits, targets).item() == pytest.approx(np.log(9))
    targets[1, :2] = 0
    assert traits.measure_trait_loss(logits, targets).item() == pytest.approx((np.log(9) + np.log(2)) / 2)


def test_moved_labels_stay_with_their_picture(pictures):
    marked = np.repeat((pictures.labels[0] == 1)[..., None] * np.uint8(255), 3, axis=2)
    image, labels = random_affine(marked, pictures.labels[0], 160, np.random.default_rng(3))
    assert image.shape == (160, 160, 3) and labels.shape == (160, 160)
    assert ((image[..., 0] > 127) == (labels == 1)).mean() > 0.98
    whole = np.asarray(fit_clip(marked))
    assert (np.asarray(fit_clip(image)) != whole).mean() > 0.01, "the frame did not move"


def test_wear_is_slight_and_repeatable(pictures):
    before = pictures.images[0].copy()
    augmented = [augment(pictures.images[0], np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert np.array_equal(augmented[0], augmented[1]) and not np.array_equal(augmented[0], augmented[2])
    assert np.array_equal(before, pictures.images[0])
    assert 0 < np.abs(augmented[2].astype(int) - before).mean() < 16


def test_regions_are_prepared_as_an_identity_prepares_them(pictures):
    photo, labels = pictures.images[1], pictures.labels[1]
    cut = isolate_region(photo, select_regions(labels)["Face"])
    pixels = image_encoder.normalise(torch.from_numpy(fit_clip(cut).copy())[None])[0]
    assert torch.allclose(pixels, torch.from_numpy(preprocess_clip(cut)), atol=1e-6)


def test_details_are_the_colours_of_a_patch():
    pixels = torch.zeros(1, 3, 224, 224)
    pixels[0, 1, 28:56, :28] = 0.5
    details = image_encoder.pool_details(pixels)
    assert details.shape == (1, 64, 147)
    assert details[0, image_encoder.GRID].unflatten(0, (3, 49)).mean(1).tolist() == [0, 0.5, 0]
    assert details.count_nonzero() == 49


def test_the_encoder_learns_and_is_read_as_it_was_written(pictures, tmp_path, monkeypatch):
    from transformers import CLIPVisionModelWithProjection

    monkeypatch.setattr(fit, "LOGGED_STEPS", 4)
    monkeypatch.setattr(image_encoder, "BATCH", 2)
    pupil = image_encoder.train_image_encoder(pictures, [12, 4], tmp_path)
    losses = read_losses(tmp_path / "image_encoder_0.csv")
    assert len(losses) == 3 and losses[-1] < 0.9 * losses[0]
    assert len(read_losses(tmp_path / "image_encoder_1.csv")) == 1
    image_encoder.write_image_encoder(pupil, tmp_path / "image_encoder")
    assert sum(file.stat().st_size for file in (tmp_path / "image_encoder").iterdir()) < 3.5e6
    read = CLIPVisionModelWithProjection.from_pretrained(tmp_path / "image_encoder", dtype=torch.float32).eval()
    pixels = torch.from_numpy(preprocess_clip(pictures.images[2]))[None]
    with torch.inference_mode():
        tokens, expected = (
            encoder(pixel_values=pixels, output_hidden_states=True) for encoder in (read, pupil.encoder.half().float())
        )
    assert tokens.hidden_states[-2].shape == (1, 65, 192) and tokens.image_embeds.shape == (1, 64)
    assert torch.allclose(tokens.hidden_states[-2], expected.hidden_states[-2], atol=1e-4)
    accuracy = image_encoder.measure_image_encoder(pupil, pictures, 128)
    assert set(accuracy["nose"]) == {"skin", "nose"} and "hat" in accuracy["photo"]


def test_the_judge_learns_and_is_read_as_it_was_written(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "LOGGED_STEPS", 10)
    monkeypatch.setattr(judge, "BATCH", 4)
    trained = judge.train_judge(pictures, 40, tmp_path)
    losses = read_losses(tmp_path / "judge.csv")
    assert losses[-1] < 0.5 * losses[0]
    accuracy = judge.measure_judge(trained, pictures)
    assert np.mean(list(accuracy.values())) > 0.8, accuracy
    judge.write_judge(trained, tmp_path / "judge.safetensors")
    small = np.ascontiguousarray(pictures.images[:, ::2, ::2])
    told, expected = judge.load_judge(tmp_path / "judge.safetensors").judge(small), trained.judge(small, batch=3)
    assert list(told) == [trait.name for trait in traits.TRAITS] and told["skin"].shape == (4, 9)
    for name, probabilities in told.items():
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        assert np.allclose(probabilities, expected[name], atol=1e-4)
    assert sum(weight.numel() for weight in trained.parameters()) < 1_000_000
    monkeypatch.setitem(judge.CLASSES, "kind", ["woman", "man", "robot"])
    with pytest.raises(CheckpointError, match="Train the judge again"):
        judge.load_judge(tmp_path / "judge.safetensors")
