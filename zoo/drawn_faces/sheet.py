"""Contact sheets: one row for each person, one column for each scene."""

from collections.abc import Callable, Sequence

import numpy as np

from .person import sample_person
from .portrait import draw_portrait
from .scene import sample_scene


def draw_sheet(
    people: Sequence[int],
    scenes: Sequence[int],
    side_px: int,
    held_out: bool = False,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Seeds of people and scenes -> RGB uint8 [rows * S, columns * S, 3]; row by row the scenes go on.

    watch(done, total): before the first row and after each.
    """
    rows = []
    watch(0, len(people))
    for row, seed in enumerate(people):
        person = sample_person(seed, held_out)
        pictures = [draw_portrait(person, sample_scene(scene + 100 * row), side_px).image for scene in scenes]
        rows.append(np.concatenate(pictures, axis=1))
        watch(len(rows), len(people))
    return np.concatenate(rows)
