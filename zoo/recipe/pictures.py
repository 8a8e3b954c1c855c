"""The drawn pictures that every model of the zoo is trained on, drawn once and kept as arrays."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from consistentid.whole_file import claim_folder
from zoo.drawn_faces import Person, Portrait, Scene, choose_scene, draw_portrait, sample_person

SIDE_PX = 256
FIELDS = {
    "images": (np.uint8, (SIDE_PX, SIDE_PX, 3)),
    "labels": (np.uint8, (SIDE_PX, SIDE_PX)),
    "landmarks": (np.float32, (5, 2)),
    "boxes": (np.float32, (4,)),
}


@dataclass(frozen=True, eq=False)
class Pictures:
    """People in scenes, person by person; the arrays lie on disk and are read where they are used.

    seeds: of the people; scenes: of each person. Row r shows person r // scenes. Fields as in Portrait, N rows each.
    """

    seeds: Sequence[int]
    scenes: int
    held_out: bool
    images: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.seeds) * self.scenes

    def name(self, row: int) -> tuple[Person, Scene]:
        """Who is in a row, and in which scene."""
        seed, number = self.seeds[row // self.scenes], row % self.scenes
        return sample_person(seed, self.held_out), choose_scene(seed, self.scenes, number, self.held_out)


def draw_pictures(folder: Path, seeds: range, scenes: int, held_out: bool = False, processes: int = 2) -> Pictures:
    """Draw every person of `seeds` in `scenes` scenes of its own, or take what an earlier run drew into the folder."""
    name = f"{seeds.start}-{seeds.stop}x{scenes}{'_held_out' * held_out}"
    done = Path(folder) / name
    with claim_folder(done.parent):
        if not done.exists():
            part = done.with_name(f"{name}.part")
            part.mkdir(exist_ok=True)
            _draw_into(part, seeds, scenes, held_out, processes)
            part.rename(done)
    arrays = {field: np.load(done / f"{field}.npy", mmap_mode="r") for field in FIELDS}
    return Pictures(seeds, scenes, held_out, **arrays)


def _draw_into(folder: Path, seeds: range, scenes: int, held_out: bool, processes: int) -> None:
    arrays = {
        field: np.lib.format.open_memmap(folder / f"{field}.npy", "w+", kind, (len(seeds) * scenes, *shape))
        for field, (kind, shape) in FIELDS.items()
    }
    with ProcessPoolExecutor(processes) as pool:
        drawn = pool.map(partial(_draw_person, scenes=scenes, held_out=held_out), seeds, chunksize=8)
        for number, portraits in enumerate(drawn):
            rows = slice(number * scenes, (number + 1) * scenes)
            for field, part in zip(FIELDS, ("image", "labels", "landmarks", "box"), strict=True):
                arrays[field][rows] = np.stack([getattr(portrait, part) for portrait in portraits])


def _draw_person(seed: int, scenes: int, held_out: bool) -> list[Portrait]:
    person = sample_person(seed, held_out)
    chosen = [choose_scene(seed, scenes, number, held_out) for number in range(scenes)]
    return [draw_portrait(person, scene, SIDE_PX) for scene in chosen]
