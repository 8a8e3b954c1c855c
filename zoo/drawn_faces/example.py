"""People to try the small models on, none of whom they have seen."""

from dataclasses import dataclass

import numpy as np

from .. import EXAMPLE_SCENES
from .person import Person, sample_person
from .portrait import draw_portrait
from .scene import Scene, choose_scene
from .words import describe_person, write_scene_prompt


@dataclass(frozen=True, eq=False)
class Example:
    """image: RGB uint8 [side_px, side_px, 3]. caption: the face in words. prompt: what else the picture shows."""

    image: np.ndarray
    caption: str
    prompt: str


def choose_example(person: int, scene: int) -> tuple[Person, Scene]:
    """A held-out person, by seed, in a scene from 0 to EXAMPLE_SCENES - 1."""
    return sample_person(person, held_out=True), choose_scene(person, EXAMPLE_SCENES, scene, held_out=True)


def draw_example(person: int, scene: int, side_px: int) -> Example:
    """The picture and words of `choose_example`."""
    who, where = choose_example(person, scene)
    image = draw_portrait(who, where, side_px).image
    return Example(image, describe_person(who), write_scene_prompt(who, where))
