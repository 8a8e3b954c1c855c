"""The pictures that the models of the zoo are trained on, drawn or rendered once and kept as arrays."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from consistentid.whole_file import claim_folder
from zoo.drawn_faces import Person, Portrait, Scene, choose_scene, draw_portrait, sample_person
from zoo.rendered_heads import choose_view, render_portrait, sample_natural_person

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
    rendered: with zoo.rendered_heads in place of zoo.drawn_faces.
    """

    seeds: Sequence[int]
    scenes: int
    held_out: bool
    images: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    boxes: np.ndarray
    rendered: bool = False

    def __len__(self) -> int:
        return len(self.seeds) * self.scenes

    def choose(self, rng: np.random.Generator) -> int:
        """A row at random."""
        return int(self.choose_rows(rng, 1)[0])

    def choose_rows(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.integers(len(self), size=count)

    def find_people(self, rows: np.ndarray) -> np.ndarray:
        """The numbers of the people in rows [N]."""
        return rows // self.scenes

    def is_rendered(self, row: int) -> bool:
        return self.rendered

    def name(self, row: int) -> tuple[Person, Scene]:
        """Who is in a row, and in which scene."""
        seed, number = self.seeds[row // self.scenes], row % self.scenes
        return _name_person(seed, self.held_out, self.rendered), _name_scene(
            seed, self.scenes, number, self.held_out, self.rendered
        )


class Mixture:
    """Several sets as one, and as often chosen each, however large they are; see Pictures."""

    def __init__(self, *parts: Pictures):
        self.parts = parts
        self.seeds = [seed for part in parts for seed in part.seeds]
        self.starts = np.cumsum([0, *(len(part) for part in parts)])
        self.images, self.labels, self.landmarks, self.boxes = (
            Rows([getattr(part, field) for part in parts], self.starts) for field in FIELDS
        )

    def __len__(self) -> int:
        return int(self.starts[-1])

    def choose(self, rng: np.random.Generator) -> int:
        return int(self.choose_rows(rng, 1)[0])

    def choose_rows(self, rng: np.random.Generator, count: int) -> np.ndarray:
        part = rng.integers(len(self.parts), size=count)
        return self.starts[part] + (rng.random(count) * np.diff(self.starts)[part]).astype(np.int64)

    def find_people(self, rows: np.ndarray) -> np.ndarray:
        first = np.cumsum([0, *(len(part.seeds) for part in self.parts)])
        scenes = np.array([part.scenes for part in self.parts])
        part = np.searchsorted(self.starts, rows, side="right") - 1
        return first[part] + (rows - self.starts[part]) // scenes[part]

    def is_rendered(self, row: int) -> bool:
        return self._find_part(row).rendered

    def name(self, row: int) -> tuple[Person, Scene]:
        return self._find_part(row).name(row - int(self.starts[self._find_number(row)]))

    def _find_part(self, row: int) -> Pictures:
        return self.parts[self._find_number(row)]

    def _find_number(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, side="right")) - 1


class Rows:
    """Rows of several arrays, one array after the other."""

    def __init__(self, arrays: Sequence[np.ndarray], starts: np.ndarray):
        self.arrays, self.starts = arrays, starts

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, row: int) -> np.ndarray:
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.arrays[part][row - self.starts[part]]


def draw_pictures(
    folder: Path, seeds: range, scenes: int, held_out: bool = False, processes: int = 2, rendered: bool = False
) -> Pictures:
    """Draw every person of `seeds` in `scenes` scenes of its own, or take what an earlier run drew into the folder.

    A run that was stopped goes on where it was.
    """
    name = f"{seeds.start}-{seeds.stop}x{scenes}{'_held_out' * held_out}{'_rendered' * rendered}"
    done = Path(folder) / name
    with claim_folder(done.parent):
        if not done.exists():
            part = done.with_name(f"{name}.part")
            part.mkdir(exist_ok=True)
            draw = partial(_draw_person, scenes=scenes, held_out=held_out, rendered=rendered)
            _draw_into(part, seeds, scenes, processes, draw)
            part.rename(done)
    arrays = {field: np.load(done / f"{field}.npy", mmap_mode="r") for field in FIELDS}
    return Pictures(seeds, scenes, held_out, **arrays, rendered=rendered)


def _draw_into(folder: Path, seeds: range, scenes: int, processes: int, draw: Callable[[int], list[Portrait]]) -> None:
    counted = folder / "people"
    count = int(counted.read_text()) if counted.exists() else 0
    arrays = {
        field: np.lib.format.open_memmap(
            folder / f"{field}.npy", "r+" if counted.exists() else "w+", kind, (len(seeds) * scenes, *shape)
        )
        for field, (kind, shape) in FIELDS.items()
    }
    with ProcessPoolExecutor(processes) as pool:
        for number, portraits in enumerate(pool.map(draw, seeds[count:], chunksize=8), start=count):
            rows = slice(number * scenes, (number + 1) * scenes)
            for field, part in zip(FIELDS, ("image", "labels", "landmarks", "box"), strict=True):
                arrays[field][rows] = np.stack([getattr(portrait, part) for portrait in portraits])
            if number % 8 == 7:
                counted.write_text(str(number + 1))
    counted.unlink(missing_ok=True)


def _draw_person(seed: int, scenes: int, held_out: bool, rendered: bool) -> list[Portrait]:
    person = _name_person(seed, held_out, rendered)
    chosen = [_name_scene(seed, scenes, number, held_out, rendered) for number in range(scenes)]
    if not rendered:
        return [draw_portrait(person, scene, SIDE_PX) for scene in chosen]
    return [render_portrait(person, scene, SIDE_PX, seed) for scene in chosen]


def _name_person(seed: int, held_out: bool, rendered: bool) -> Person:
    return (sample_natural_person if rendered else sample_person)(seed, held_out)


def _name_scene(seed: int, scenes: int, number: int, held_out: bool, rendered: bool) -> Scene:
    return (choose_view if rendered else choose_scene)(seed, scenes, number, held_out)
