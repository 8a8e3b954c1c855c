"""`python -m benchmarks.drawn_plan FOLDER`: a plan for `evaluate` of people that no small model has seen.

FOLDER gets plan.json with photos, prompts and facial descriptions, and settings.json for the small models; and two runs
to measure the measures with: drawn, what a perfect picture would be, and pasted, the photo itself. What they say is in
docs/evaluation.md.
"""

import argparse
import json
from pathlib import Path

from PIL import Image

from consistentid.evaluation.engine import Drawing, Engine
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.plan import read_plan
from zoo.drawn_faces import choose_scene, describe_person, draw_portrait, sample_person, write_scene_prompt

FIRST = 2000
"""Seed of the first person; the proof's are from 1000."""
SCENES, PHOTOS, PHOTO_PX = 16, 3, 256
SETTINGS = {"base": "zoo", "models_folder": "zoo/models", "steps": 25, "merge_at": 0.3, "device": "cpu"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--prompts", type=int, default=2, help="of each person, each from its own noise")
    args = parser.parse_args()
    write_plan(args.folder, args.people, args.prompts)
    (args.folder / "settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    plan = read_plan(args.folder / "plan.json")
    for engine in (Drawn(args.prompts), Pasted()):
        Gallery(args.folder / engine.name).draw_missing(plan, engine, "{prompt}")
    print(args.folder / "plan.json")


class Drawn(Engine):
    """An engine that draws the very person in the prompted scene."""

    name = "drawn"

    def __init__(self, prompts: int):
        self.prompts = prompts

    def describe(self) -> dict:
        return {"engine": self.name}

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        person, number = divmod(seed, self.prompts)
        scene = _list_scenes(person)[-self.prompts :][number]
        who = sample_person(person, held_out=True)
        return Drawing(Image.fromarray(draw_portrait(who, scene, PHOTO_PX).image), None)


class Pasted(Engine):
    """An engine that gives back the photo."""

    name = "pasted"

    def describe(self) -> dict:
        return {"engine": self.name}

    def draw(self, photo: Path, prompt: str, seed: int) -> Drawing:
        return Drawing(Image.open(photo).convert("RGB"), None)


def write_plan(folder: Path, people: int, prompts: int) -> None:
    """Photos show nobody with a hat; prompts are of scenes that no photo shows."""
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    named, captions, cases = {}, {}, []
    for seed in range(FIRST, FIRST + people):
        who = sample_person(seed, held_out=True)
        scenes = _list_scenes(seed)
        bare = [scene for scene in scenes[:-prompts] if scene.hat == "none"][:PHOTOS]
        name = str(seed)
        named[name], captions[name] = (
            [f"photos/{name}_{number}.png" for number in range(len(bare))],
            describe_person(who),
        )
        for file, scene in zip(named[name], bare, strict=True):
            Image.fromarray(draw_portrait(who, scene, PHOTO_PX).image).save(folder / file)
        for number, scene in enumerate(scenes[-prompts:]):
            cases.append({"person": name, "prompt": write_scene_prompt(who, scene), "seed": seed * prompts + number})
    plan = {"people": named, "captions": captions, "cases": cases}
    (folder / "plan.json").write_text(json.dumps(plan, indent=1), encoding="utf-8")


def _list_scenes(person: int) -> list:
    return [choose_scene(person, SCENES, number, held_out=True) for number in range(SCENES)]


if __name__ == "__main__":
    main()
