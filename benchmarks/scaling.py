"""`python -m benchmarks.scaling`: what more workers, Ray and shards cost and give on this machine; minutes.

Photos of drawn people are prepared in one and two threads, and in one and two processes of Ray (with
`pip install "ray[data]"`), the same number of times each, in turn: read the ratios, since other work on the machine
takes from all alike. Torch has one thread in each. Rates are from the first finished block on; what comes before is the
start. Records of a training set are read from a folder and from shards in the order of training. Counts on paper are
made of what was measured.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import torch
from PIL import Image

from benchmarks.record_reading import FGID, measure_reading
from consistentid.dataset.prepare import FaceModels, Preparation
from consistentid.dataset.ray_run import Task, prepare_on_ray
from consistentid.dataset.run import prepare_folder
from consistentid.face.package import load_face_analysis
from consistentid.face.parsing import load_face_parser
from consistentid.ray_session import Cluster, map_rows, ray_session
from zoo.drawn_faces import choose_scene, draw_portrait, sample_person

MODELS = Path(__file__).resolve().parents[1] / "zoo" / "models"
FACE, PARSER = str(MODELS / "face"), str(MODELS / "face_parsing.safetensors")
PHOTO_PX = 512


@dataclass
class Watch:
    """Times when photos were done, as `prepare_folder` and `prepare_on_ray` tell them."""

    started: float = field(default_factory=time.perf_counter)
    seen: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, done: int, total: int) -> None:
        if done:
            self.seen.append((time.perf_counter(), done))

    def sum_up(self) -> dict[str, float]:
        (first, before), (last, after) = self.seen[0], self.seen[-1]
        return {"rate": (after - before) / (last - first), "start": first - self.started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=96)
    parser.add_argument("--records", type=int, default=100, help="of the set that is read (default: 100)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000, help="through Ray without work (default: 2000)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with_ray = importlib.util.find_spec("ray") is not None
    with tempfile.TemporaryDirectory() as folder, ray_session(Cluster(workers=2)) if with_ray else nullcontext() as ray:
        photos = draw_photos(Path(folder) / "photos", args.photos)
        found = time_in_turn(list_ways(photos, Path(folder), with_ray), args.rounds)
        print_preparing(found)
        if with_ray:
            print_limits(measure_head(ray, args.rows), take_median(found["1 of Ray"], "rate"))
        measure_reading(Path(folder), args.records, args.rounds)


def draw_photos(folder: Path, number: int) -> Path:
    folder.mkdir()
    for person in range(number):
        photo = draw_portrait(sample_person(person), choose_scene(person, 4, 0), PHOTO_PX).image
        Image.fromarray(photo).save(folder / f"{person}.png")
    return folder


def list_ways(photos: Path, folder: Path, with_ray: bool) -> dict[str, Callable[[], dict[str, float]]]:
    models, sets = FaceModels(load_face_analysis(FACE), load_face_parser(PARSER)), count()

    def use_threads(workers: int) -> dict[str, float]:
        watch = Watch()
        prepare_folder(photos, folder / f"set{next(sets)}", models, Preparation(), workers, watch)
        return watch.sum_up()

    def use_ray(workers: int) -> dict[str, float]:
        watch, out = Watch(), folder / f"set{next(sets)}"
        prepare_on_ray(Task(str(photos), str(out), FACE, PARSER, "cpu", Preparation()), Cluster(workers=workers), watch)
        return watch.sum_up()

    ways = {f"{number} in threads": lambda number=number: use_threads(number) for number in (1, 2)}
    return ways | ({f"{number} of Ray": lambda number=number: use_ray(number) for number in (1, 2)} if with_ray else {})


def time_in_turn(ways: dict[str, Callable[[], dict]], rounds: int) -> dict[str, list[dict]]:
    names, found = list(ways), {name: [] for name in ways}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(ways[name]())
    return found


def print_preparing(found: dict[str, list[dict]]) -> None:
    first = next(iter(found))
    heads = ("workers", "photos/s", "to one thread", "start")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, rounds in found.items():
        ratio = statistics.median(one["rate"] / other["rate"] for one, other in zip(rounds, found[first], strict=True))
        rate, start = take_median(rounds, "rate"), take_median(rounds, "start")
        print(f"| {name} | {rate:.3g} | {ratio:.2f} | {start:.0f} s |", flush=True)


def take_median(rounds: list[dict], key: str) -> float:
    return statistics.median(one[key] for one in rounds)


class Nothing:
    """A process of Ray that has nothing to do."""

    def __call__(self, rows: dict) -> dict:
        return {"photo": rows["photo"]}


def measure_head(ray, rows: int) -> dict[int, float]:
    """{rows in a block: CPU seconds that the calling process has with each block}"""
    found = {}
    for at_once in (1, 64):
        names, before, blocks = [{"photo": f"{number}.png"} for number in range(rows)], time.process_time(), 0
        for _ in map_rows(ray, names, Nothing, (), Cluster(workers=2), at_once):
            blocks += 1
        found[at_once] = (time.process_time() - before) / blocks
    return found


def print_limits(head: dict[int, float], rate: float) -> None:
    """Where the calling process is all that works. rate: photos/s of one worker."""
    for at_once, seconds in head.items():
        most = at_once / seconds
        print(
            f"{at_once} in a block: {seconds * 1e3:.1f} ms of the calling process for each, so at most {most:,.0f} "
            f"photos/s, {most / rate:,.0f} workers like one of these, and {FGID / most / 3600:.2g} hours for FGID."
        )


if __name__ == "__main__":
    main()
