"""`python -m zoo.recipe.hair`: what hair as a region adds, for people that no model has seen.

Pictures of a person are drawn without the region, with it, and with that of another person whose hair has another
colour; how far their hair is from the colour that it has, and from the other one, is told in RGB, 0..441.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from consistentid.adapter.config import ZOO
from consistentid.evaluation.summary import estimate_mean
from consistentid.face.region_words import EXTRA_LABELS
from consistentid.headless.model_choice import find_files
from consistentid.headless.person import load_photo_models, prepare_adapter, read_identity
from consistentid.headless.pipeline import sample
from consistentid.headless.portrait import change_person, encode_text, make_sampling, prepare_pipeline
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.headless.unet import install_adapter
from consistentid.identity import Identity
from consistentid.ports import FaceParser
from consistentid.terminal import hide_loading_bars, show_progress
from zoo.drawn_faces import Person, Scene, choose_scene, draw_portrait, sample_person, write_scene_prompt
from zoo.drawn_faces.palette import HAIR

from .tables import write_span

FIRST, SCENES, PHOTO_PX = 1000, 16, 256
PROMPTS = 2
CELLS = ("without hair", "with hair", "with another's hair")
UNLIKE = 80.0
"""How far the other one's hair colour is, at least."""
SMALLEST = 0.01
"""Less hair than this part of the picture is none."""


@dataclass(frozen=True)
class Sitter:
    """A person and hatless scenes: the photo's, and those that are drawn."""

    seed: int
    person: Person
    photo: Scene
    scenes: list[Scene]


@dataclass(frozen=True)
class Seen:
    """How far the hair of one picture is from the colour of the person's own, and from that of the other one's."""

    cell: str
    person: str
    own: float
    other: float


def choose_sitters(count: int) -> list[Sitter]:
    """Held-out people with hair."""
    sitters = []
    for seed in range(FIRST, FIRST + 10 * count):
        person = sample_person(seed, held_out=True)
        scenes = [choose_scene(seed, SCENES, number, held_out=True) for number in range(SCENES)]
        bare = [scene for scene in scenes if scene.hat == "none"]
        if person.hair not in ("bald", "buzz-cut") and len(bare) > PROMPTS:
            sitters.append(Sitter(seed, person, bare[0], bare[1 : 1 + PROMPTS]))
    return sitters[:count]


def find_other(number: int, sitters: list[Sitter]) -> int:
    """The next one of another hair colour."""
    colours = [np.array(HAIR[sitter.person.hair_colour], np.float64) for sitter in sitters]
    after = [*range(number + 1, len(sitters)), *range(number)]
    far = [other for other in after if np.linalg.norm(colours[other] - colours[number]) >= UNLIKE]
    return (far or after)[0]


def vary(identity: Identity, other: Identity) -> dict[str, Identity]:
    """The identity of each cell."""
    regions = identity.region_features
    usual = {key: features for key, features in regions.items() if key not in EXTRA_LABELS}
    changed = regions | {"Hair": other.region_features["Hair"]}
    return dict(
        zip(CELLS, [replace(identity, region_features=kept) for kept in (usual, regions, changed)], strict=True)
    )


def measure_hair(picture: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Mean colour [3], 0..255, of the hair in a picture [H, W, 3]; None without any. labels: [h, w]."""
    size = picture.shape[1::-1]
    mask = np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)) == EXTRA_LABELS["Hair"][0]
    return picture[mask].mean(axis=0) if mask.mean() >= SMALLEST else None


def draw_hair(person: Person, scene: Scene) -> np.ndarray:
    """The colour that the hair of a person has in a scene."""
    portrait = draw_portrait(person, scene, PHOTO_PX)
    return portrait.image[portrait.labels == EXTRA_LABELS["Hair"][0]].mean(axis=0)


class Studio:
    """The small models, loaded once; pictures are drawn with the fixed sentence, so that no word tells the hair."""

    def __init__(self, models: str, adapter: str, steps: int):
        usual = PortraitSettings(
            base=ZOO.name, models_folder=models, adapter=adapter, face="drawn", steps=steps, seed=0
        )
        chosen = replace(usual, brows=True, hair=True, merge_at=0.0, device="cpu", dtype="float32")
        self.adapter, self.settings = prepare_adapter(find_files(chosen))
        self.readers = load_photo_models(self.settings, self.adapter)
        self.pipeline = prepare_pipeline(self.settings, self.adapter.config)

    @property
    def parser(self) -> FaceParser:
        return self.readers.parser

    def read(self, sitter: Sitter) -> Identity:
        photo = draw_portrait(sitter.person, sitter.photo, PHOTO_PX).image
        return read_identity(photo, self.settings, self.adapter, self.readers)[0]

    def draw(self, identity: Identity, prompt: str, seed: int) -> np.ndarray:
        """RGB uint8 [H, W, 3], with the adapter that is installed."""
        settings = replace(self.settings, prompt=prompt, seed=seed)
        _, conditioning = encode_text(self.pipeline, self.adapter, change_person(identity, settings), {}, settings)
        return np.asarray(sample(self.pipeline, conditioning, make_sampling(settings))[0])


def measure(studio: Studio, sitters: list[Sitter], weight: float) -> Iterator[Seen]:
    """What is seen of each picture that shows hair."""
    people = [studio.read(sitter) for sitter in sitters]
    installed = install_adapter(studio.pipeline.unet, studio.adapter, weight)
    watch = show_progress("Drawn", "person")
    watch(0, len(sitters))
    try:
        for number, sitter in enumerate(sitters):
            other = find_other(number, sitters)
            for index, scene in enumerate(sitter.scenes):
                colours = [draw_hair(sitters[one].person, scene) for one in (number, other)]
                for cell, identity in vary(people[number], people[other]).items():
                    picture = studio.draw(identity, write_scene_prompt(sitter.person, scene), index)
                    seen = measure_hair(picture, studio.parser.parse(picture, ZOO.parsing_px))
                    if seen is not None:
                        own, others = (float(np.linalg.norm(seen - colour)) for colour in colours)
                        yield Seen(cell, str(sitter.seed), own, others)
            watch(number + 1, len(sitters))
    finally:
        installed.remove()


def write_row(title: str, found: list[Seen]) -> str:
    people = [one.person for one in found]
    distances = [estimate_mean(values, people) for values in ([x.own for x in found], [x.other for x in found])]
    return f"| {title} | {len(found)} | {' | '.join(write_span(one, '.1f') for one in distances)} |"


def main(words: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="zoo.recipe.hair", description="What hair as a region adds.")
    arguments.add_argument("--models", default="", help="folder of the small models (default: the pack's)")
    arguments.add_argument("--adapter", default="", help="adapter file (default: that of the models)")
    arguments.add_argument("--people", type=int, default=20, help="(default: 20)")
    arguments.add_argument("--steps", type=int, default=25, help="(default: 25)")
    given = arguments.parse_args(words)
    hide_loading_bars()
    studio, sitters = Studio(given.models, given.adapter, given.steps), choose_sitters(given.people)
    print(f"Adapter {Path(studio.settings.adapter).name}, trained with {', '.join(studio.adapter.config.regions)}.")
    rows = ["| | pictures with hair | to the own colour | to the other's |", "|---|---|---|---|"]
    for weight, tokens in ((1.0, "both kinds of tokens"), (0.0, "facial tokens alone")):
        found = list(measure(studio, sitters, weight))
        rows += [write_row(f"{cell}, {tokens}", [one for one in found if one.cell == cell]) for cell in CELLS]
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
