"""Drawn people, who stand in for photos and for pictures of models that are not here."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from zoo.drawn_faces import EXAMPLE_SCENES, Person, Portrait, choose_scene, draw_portrait, sample_person

PX = 640
PINK, BLUE, SHORT, LONG, GREY, FAIR = 3, 16, 8, 1, 2, 5
"""Seeds of held-out people, by their hair."""
FACING = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "gaze": (0.0, 0.0)}


@lru_cache
def draw(who: int | Person, scene: int = 0, **changes) -> Portrait:
    """A person, or their seed, in one of their scenes with some of it changed; of the side PX."""
    seed = who if isinstance(who, int) else PINK
    person = sample_person(who, held_out=True) if isinstance(who, int) else who
    return draw_portrait(person, replace(choose_scene(seed, EXAMPLE_SCENES, scene, held_out=True), **changes), PX)


def show(who: int | Person, scene: int = 0, **changes) -> Image.Image:
    return Image.fromarray(draw(who, scene, **changes).image)


def show_result(who: int | Person, scene: int = 0, x: float = 0.64, **changes) -> Image.Image:
    """A person at the right, or where x says, so that photos have room beside."""
    return show(who, scene, **{"centre": (x, 0.5), "size": 0.5, **changes})


def draw_head(who: int, **changes) -> Portrait:
    """A photo: a face that looks at us, before a plain wall."""
    plain = {"background": "studio", "expression": "calm", "hat": "none", "size": 0.62, "centre": (0.5, 0.5)} | FACING
    return draw(who, **{**plain, **changes})


def show_head(who: int, **changes) -> Image.Image:
    return Image.fromarray(draw_head(who, **changes).image)


def show_together(people: Sequence[tuple[int, float]], scene: int = 0, **changes) -> Image.Image:
    """Several in one place: (seed, x of the middle of the head) each; the first one's scene is all of theirs."""
    first = choose_scene(people[0][0], EXAMPLE_SCENES, scene, held_out=True)
    place = {"background": first.background, "texture": first.texture, "light": first.light} | {
        "size": 0.42,
        "hat": "none",
    }
    drawn = [draw(who, scene, **{**place, "centre": (x, 0.5), **changes}) for who, x in people]
    whole = Image.fromarray(drawn[0].image)
    for one in drawn[1:]:
        whole.paste(Image.fromarray(one.image), mask=find_mask(one.labels > 0))
    return whole


def find_mask(where: np.ndarray) -> Image.Image:
    return Image.fromarray((where * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.2))
