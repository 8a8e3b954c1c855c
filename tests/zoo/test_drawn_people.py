"""People differ, stay themselves from scene to scene, and held-out ones are nobody else."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest

from consistentid.caption.clauses import normalise_caption
from consistentid.prompt.mark import find_word
from zoo.drawn_faces import draw_portrait, is_held_out, sample_person, sample_scene
from zoo.drawn_faces.drawing import labels as on
from zoo.drawn_faces.palette import EYE, HAIR, SKIN
from zoo.drawn_faces.person import EYE_SHAPES, FACE_SHAPES, MENS_HAIR, NOSE_SHAPES, WOMENS_HAIR
from zoo.drawn_faces.words import describe_features, describe_person, write_prompt, write_scene_prompt

ARCFACE = np.array([(38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2)]) * 64 / 112
"""The five points that faces are aligned to, for a crop of 64 px."""
PARTS = (on.SKIN, on.LEFT_BROW, on.LEFT_EYE, on.RIGHT_EYE, on.NOSE, on.UPPER_LIP, on.HAIR, on.GLASSES)


@pytest.fixture(scope="module")
def known():
    return [sample_person(seed) for seed in range(400)]


def test_held_out_people_are_nobody_else(known):
    kept = [sample_person(seed, held_out=True) for seed in range(150)]
    assert not any(map(is_held_out, known))
    assert all(map(is_held_out, kept))
    names = ("hair", "hair_colour", "face_shape", "eye_colour", "nose", "skin")
    known, kept = ({tuple(asdict(person)[name] for name in names) for person in people} for people in (known, kept))
    assert not known & kept


def test_every_value_can_be_learnt(known):
    assert {person.hair for person in known} == {*WOMENS_HAIR, *MENS_HAIR}
    assert {person.hair_colour for person in known} == set(HAIR)
    assert {person.eye_colour for person in known} == set(EYE)
    assert {person.skin for person in known} == set(SKIN)
    assert {person.nose for person in known} == set(NOSE_SHAPES)
    assert {person.face_shape for person in known} == set(FACE_SHAPES)
    assert {person.eye_shape for person in known} == set(EYE_SHAPES)
    assert 0.4 < np.mean([person.kind == "woman" for person in known]) < 0.6


def align(portrait) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels [64, 64] with the landmarks where recognisers expect them."""
    matrix, _ = cv2.estimateAffinePartial2D(portrait.landmarks, ARCFACE.astype(np.float32), method=cv2.LMEDS)
    image = cv2.warpAffine(portrait.image, matrix, (64, 64))
    return image, cv2.warpAffine(portrait.labels, matrix, (64, 64), flags=cv2.INTER_NEAREST)


def measure(portrait) -> np.ndarray:
    """Colour and share of each part of the aligned face; a part that is not there has neither."""
    image, labels = align(portrait)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    colours = [lab[labels == part].mean(axis=0) if (labels == part).any() else np.zeros(3) for part in PARTS]
    shares = [np.sqrt((labels == part).sum()) for part in PARTS]
    return np.concatenate([np.ravel(colours), np.array(shares) * 2])


@pytest.fixture(scope="module")
def portraits():
    """[10 people][4 scenes]"""
    return [
        [draw_portrait(sample_person(seed), sample_scene(100 * seed + index), 128) for index in range(4)]
        for seed in range(10)
    ]


def compare(features: np.ndarray) -> float:
    """How often a picture is nearer to one of its person than to one of another: [people, scenes, N] -> 0..1."""
    people, scenes, _ = features.shape
    flat = features.reshape(people * scenes, -1)
    distance = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    owner = np.repeat(np.arange(people), scenes)
    wins = []
    for index in range(len(flat)):
        same = distance[index, (owner == owner[index]) & (np.arange(len(flat)) != index)]
        other = distance[index, owner != owner[index]]
        wins.append((same[:, None] < other[None]).mean())
    return float(np.mean(wins))


def test_a_person_stays_recognisable(portraits):
    features = np.array([[measure(portrait) for portrait in row] for row in portraits])
    assert compare(features) > 0.95


def test_people_differ_in_plain_pixels(portraits):
    """No labels needed: the inner face alone, reduced to 11 x 11, tells most people apart."""
    crops = [[cv2.resize(align(portrait)[0][14:60, 10:54], (11, 11)).ravel() for portrait in row] for row in portraits]
    assert compare(np.array(crops, dtype=np.float64)) > 0.85


def test_descriptions_have_the_captioners_form(known):
    for person in known[:200]:
        caption = describe_person(person)
        assert normalise_caption(caption) == caption
        *features, brows, hair = caption.split(", ")
        assert ", ".join(features) == describe_features(person) and len(features) == 5
        assert brows == f"{person.brows} eyebrows" and find_word([hair], "hair")
        told = "no hair" if person.hair == "bald" else person.hair_colour
        assert told in hair and (person.hair == "bald" or person.hair in hair)


def test_words_tell_what_is_drawn(known):
    for seed, person in enumerate(known[:100]):
        scene = sample_scene(seed)
        full, bare = write_prompt(person, scene), write_scene_prompt(person, scene)
        assert (person.hair in full) and (person.hair == "bald" or person.hair_colour in full)
        assert f"{person.eye_colour} eyes" in full
        for prompt in (full, bare):
            assert person.kind in prompt and scene.clothes in prompt
            assert scene.hat == "none" or scene.hat in prompt
        for hint in (" hair", " eyes", "beard", "freckles", "glasses"):
            assert hint not in bare
        assert full.endswith(bare.split(" wearing ", 1)[1])
