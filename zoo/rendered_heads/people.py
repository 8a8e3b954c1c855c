"""Whom and how: people in colours of nature, and views as photographs have them."""

from dataclasses import replace

import numpy as np

from zoo.drawn_faces import Person, Scene, choose_scene, sample_person
from zoo.drawn_faces.drawing.seeded_random import SeededRandom

NATURAL = ("black", "dark brown", "brown", "auburn", "red", "blond", "platinum", "grey", "white")
DYED_SHARE = 0.04
"""Of people whose hair has another colour, and who are kept."""
PALE = ("porcelain", "fair", "light")
FAIR_HAIR = ("red", "blond", "platinum", "auburn")
CLOSE_UP, PORTRAIT, FAR = 0.2, 0.6, 0.2
"""Shares of views."""


def sample_natural_person(seed: int, held_out: bool = False) -> Person:
    """A person of zoo.drawn_faces whose hair, eyes and brows might be born with; most men without a mohawk."""
    rng = SeededRandom(3, seed)
    trial = seed
    while True:
        person = sample_person(trial, held_out)
        dyed = person.hair_colour not in NATURAL
        odd = dyed or person.eye_colour == "violet" or (person.hair_colour in FAIR_HAIR and person.skin not in PALE)
        odd = odd or person.hair in ("mohawk", "afro", "pigtails", "spiky")
        if not odd or rng.chance(DYED_SHARE):
            return person
        trial += 1_000_003


def choose_view(seed: int, scenes: int, number: int, held_out: bool = False) -> Scene:
    """Scene `number` of a person's `scenes`, turned further, nearer or farther, and mostly without a hat."""
    scene = choose_scene(seed, scenes, number, held_out)
    rng = SeededRandom(4, seed * scenes + number)
    chance = rng.uniform(0, 1)
    low, high = (0.6, 1.15) if chance < CLOSE_UP else (0.42, 0.68) if chance < CLOSE_UP + PORTRAIT else (0.24, 0.42)
    size = rng.uniform(low, high)
    free = max(0.5 - 0.5 * size, 0.05)
    turned = 1.0 if rng.chance(0.5) else 1.9
    return replace(
        scene,
        yaw=float(np.clip(scene.yaw * turned, -55, 55)),
        pitch=scene.pitch * rng.uniform(0.8, 1.8),
        roll=scene.roll * rng.uniform(0.6, 1.5),
        expression=rng.choose({"smiling": 4, "calm": 4, "laughing": 1.5, "surprised": 0.6, "sad": 0.5, "angry": 0.4}),
        hat=scene.hat if rng.chance(0.5) and scene.hat in ("none", "beanie", "cap", "straw hat") else "none",
        size=size,
        centre=(0.5 + rng.uniform(-free, free) * 0.6, 0.44 + rng.uniform(-0.06, 0.12) + 0.06 * (size > 0.6)),
    )
