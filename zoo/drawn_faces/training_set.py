"""Drawn faces as a training set of `python -m consistentid train`, with exact label maps and captions."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from consistentid.dataset.records import write_record
from consistentid.dataset.run import merge_records

from .person import sample_person
from .portrait import Portrait, draw_portrait
from .scene import choose_scene
from .words import describe_person, write_scene_prompt


def write_training_set(
    out: Path,
    people: Sequence[int],
    scenes: int,
    side_px: int,
    held_out: bool = False,
    embed: Callable[[Portrait], np.ndarray] | None = None,
    sentence: str = "",
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write a record PERSON/SCENE of each of the people's seeds in `scenes` scenes of its own; returns their number.

    The caption does not tell the looks: the model has to take them from the face. embed: the ID embedding [512] of a
    portrait, of unit length; without it the records have none, and training gives the ID projection zeros. sentence:
    the facial caption of every second scene, in place of one that describes the face. watch(done, total): before the
    first picture and after each.
    """
    done, total = 0, len(people) * scenes
    watch(done, total)
    for seed in people:
        person = sample_person(seed, held_out)
        for number in range(scenes):
            scene = choose_scene(seed, scenes, number, held_out)
            portrait = draw_portrait(person, scene, side_px)
            facial = sentence if sentence and number % 2 else describe_person(person)
            captions = {"caption": write_scene_prompt(person, scene), "facial_caption": facial}
            embedding = embed(portrait) if embed else None
            write_record(out, f"{seed}/{number}", portrait.image, portrait.labels, embedding, **captions)
            done += 1
            watch(done, total)
    return merge_records(out)
