"""Drawn portraits with known truth: who, in which pose and light, wearing what, where; masks, landmarks, words."""

from .example import EXAMPLE_SCENES, Example, choose_example, draw_example
from .person import Person, is_held_out, sample_person
from .portrait import Portrait, draw_portrait
from .scene import Scene, choose_scene, sample_scene
from .words import describe_features, describe_person, name_person, write_prompt, write_scene_prompt

__all__ = [
    "EXAMPLE_SCENES",
    "Example",
    "Person",
    "Portrait",
    "Scene",
    "choose_example",
    "choose_scene",
    "describe_features",
    "describe_person",
    "draw_example",
    "draw_portrait",
    "is_held_out",
    "name_person",
    "sample_person",
    "sample_scene",
    "write_prompt",
    "write_scene_prompt",
]
