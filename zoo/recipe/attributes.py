"""`python -m zoo.recipe.attributes FOLDER`: whether words change what they name, and what is left of the person.

Every cell draws the same people, changes and noise. Recogniser and judge took no part in drawing.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from consistentid.adapter.config import ZOO
from consistentid.attributes import ATTRIBUTES, Attribute, Changed, change_attributes
from consistentid.evaluation.summary import estimate_mean
from consistentid.face.package import load_face_analysis
from consistentid.headless.conditioning import unite_conditionings
from consistentid.headless.model_choice import find_files
from consistentid.headless.person import load_photo_models, prepare_adapter, read_identity
from consistentid.headless.pipeline import sample
from consistentid.headless.portrait import encode_text, make_sampling, prepare_pipeline
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.headless.unet import install_adapter
from consistentid.identity import Identity
from consistentid.likeness.faces import measure_reference, score_picture
from consistentid.terminal import hide_loading_bars, show_progress
from zoo.drawn_faces import Person, Scene, choose_scene, draw_portrait, sample_person, write_scene_prompt
from zoo.drawn_faces.palette import EYE, SKIN
from zoo.drawn_faces.person import BEARDS
from zoo.drawn_faces.words import MOODS, name_hair

from .judge import SIDE_PX, load_judge
from .probe import load_probe
from .tables import write_span
from .traits import TRAITS

TUNED, REPORTED = range(2000, 2008), range(2100, 2112)
"""Held-out people on whom the table of consistentid/attributes.py was chosen, and those whom the pages tell of."""
SCENES, PHOTO_PX, STEPS = 16, 256, 15
HAIR = {"woman": ("long wavy", "short curly", "bun", "bob"), "man": ("long straight", "short curly", "spiky", "afro")}
COLOURS = ("black", "red", "blond", "blue")


@dataclass(frozen=True)
class Wish:
    """What is asked for: the words of an attribute, the person and scene that show it, and the traits that tell."""

    words: str
    who: Person
    where: Scene
    traits: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """How a change is drawn. strength: see `change_attributes`; None where nothing is asked for."""

    strength: float | None = 0.0
    merge_at: float = 0.6
    weight: float = 1.0
    lora_weight: float = 1.0
    table: dict[str, Attribute] = field(default_factory=dict)


CELLS = {
    "nothing asked": Cell(None),
    "base model": Cell(merge_at=1.0, weight=0.0, lora_weight=0.0),
    **{f"words alone, merged at {merge:g}": Cell(merge_at=merge) for merge in (0.0, 0.3, 0.6, 1.0)},
    "changed, strength 0.5": Cell(0.5),
    "changed": Cell(1.0),
}


def list_wishes(who: Person, where: Scene, seed: int) -> dict[str, Wish]:
    """What is asked of a person, by attribute; what the person has already is left out."""

    def choose(values, own: str) -> str:
        others = [value for value in values if value not in (own, "none")]
        return others[seed % len(others)]

    def wish(words: str, *traits: str, scene: Scene = where, **looks) -> Wish:
        return Wish(words, replace(who, **looks), scene, traits)

    kind = "man" if who.kind == "woman" else "woman"
    style, colour = choose(HAIR[who.kind], who.hair), choose(COLOURS, who.hair_colour)
    eyes, skin, beard = choose(EYE, who.eye_colour), choose(SKIN, who.skin), choose(BEARDS, who.beard)
    mood = choose(MOODS, where.expression)
    wishes = {
        "gender": wish(kind, "kind", kind=kind, beard="none"),
        "hair": wish(
            name_hair(replace(who, hair=style, hair_colour=colour)),
            "hair",
            "hair colour",
            hair=style,
            hair_colour=colour,
        ),
        "eyes": wish(f"{eyes} eyes", "eye colour", eye_colour=eyes),
        "skin": wish(f"{skin} skin", "skin", skin=skin),
        "expression": wish(MOODS[mood], "expression", scene=replace(where, expression=mood)),
    }
    if who.age == "young":
        wishes["age"] = wish("old", "age", age="old", hair_colour="grey")
    if who.glasses == "none":
        glasses = choose(("round", "square"), "")
        wishes["glasses"] = wish(f"{glasses} glasses", "glasses", glasses=glasses)
    if who.kind == "man":
        wishes["beard"] = wish(beard if beard == "stubble" else f"a {beard}", "beard", beard=beard)
    return {name: wishes[name] for name in ATTRIBUTES if name in wishes}


class Studio:
    """Reads people and draws them, several at once."""

    def __init__(self, models: Path, steps: int, dtype: str):
        settings = PortraitSettings(base=ZOO.name, models_folder=str(models), steps=steps, dtype=dtype, device="cpu")
        self.adapter, self.settings = prepare_adapter(find_files(replace(settings, face="photo", seed=0)))
        self.readers = load_photo_models(self.settings, self.adapter)
        self.pipeline = prepare_pipeline(self.settings, self.adapter.config)
        self.installed = install_adapter(self.pipeline.unet, self.adapter)

    def read(self, photo: np.ndarray) -> Identity:
        return read_identity(photo, self.settings, self.adapter, self.readers)[0]

    def draw(self, people: list[Changed], seeds: list[int], cell: Cell) -> list[np.ndarray]:
        """RGB uint8 [H, W, 3] of each; people: with one weight and schedule."""
        settings = replace(self.settings, merge_at=cell.merge_at)
        told = [encode_text(self.pipeline, self.adapter, one, {}, settings)[1] for one in people]
        self.installed.set_weights(cell.weight * people[0].weight, cell.lora_weight, people[0].schedule)
        sampling = replace(make_sampling(settings), seeds=tuple(seeds))
        pictures = sample(self.pipeline, unite_conditionings(told), sampling, self.installed)
        return [np.asarray(picture) for picture in pictures]


@dataclass(frozen=True)
class Sitter:
    """One of the people. photos: RGB; the first is drawn from, with the others pictures are compared."""

    seed: int
    where: Scene
    photos: list[np.ndarray]
    prompt: str
    wishes: dict[str, Wish]


def invite(seed: int) -> Sitter:
    who = sample_person(seed, held_out=True)
    scenes = [choose_scene(seed, SCENES, number, held_out=True) for number in range(SCENES)]
    bare = [scene for scene in scenes[:-1] if scene.hat == "none"][:3]
    where = replace(scenes[-1], hat="none", expression="calm")
    photos = [draw_portrait(who, scene, PHOTO_PX).image for scene in bare]
    return Sitter(seed, where, photos, write_scene_prompt(who, where), list_wishes(who, where, seed))


class Panel:
    """Judge and independent recogniser: how far a wish is obeyed, and how alike the person is."""

    def __init__(self, folder: Path, sitters: list[Sitter], quick: bool):
        judges, models = folder / "judges", folder / "models"
        self.analysis = load_face_analysis(models / "face" if quick else judges / "face")
        self.judge = (
            load_probe(models / "image_encoder", folder / "attributes" / "probe.safetensors")
            if quick
            else load_judge(judges / "judge.safetensors")
        )
        self.references = {one.seed: measure_reference(self.analysis, one.photos[1:]) for one in sitters}

    def tell(self, sitter: Sitter, wish: Wish, picture: np.ndarray) -> tuple[float, float]:
        """(share of the wish's traits that are there, cosine to the person's photos, 0 without a face)"""
        small = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        told = self.judge.judge(small[None])
        asked = [trait for trait in TRAITS if trait.name in wish.traits]
        right = [t.classes[told[t.name][0].argmax()] == t.read(wish.who, wish.where) for t in asked]
        return float(np.mean(right)), score_picture(self.analysis, self.references[sitter.seed], picture).cosine or 0.0


def draw_cell(studio: Studio, sitters: list[Sitter], known: dict[int, Identity], name: str, cell: Cell):
    """[(sitter, picture)] of one attribute."""
    chosen = [one for one in sitters if name in one.wishes]
    changes = [{} if cell.strength is None else {name: one.wishes[name].words} for one in chosen]
    table = cell.table or ATTRIBUTES
    people = [
        change_attributes(known[one.seed], one.prompt, change, cell.strength or 0.0, table)
        for one, change in zip(chosen, changes, strict=True)
    ]
    return list(zip(chosen, studio.draw(people, [one.seed for one in chosen], cell), strict=True))


def measure(
    folder: Path, people: range, cells: dict[str, Cell], steps: int, dtype: str, quick: bool = False
) -> Iterator[list[dict]]:
    """Of each attribute, rows of attribute, cell, person, obeyed and likeness; its pictures go to folder/attributes.

    quick: the probe judges, and the recogniser that the adapter reads.
    """
    sitters = [invite(seed) for seed in people]
    panel, studio = Panel(folder, sitters, quick), Studio(folder / "models", steps, dtype)
    known = {one.seed: studio.read(one.photos[0]) for one in sitters}
    side = studio.adapter.config.size_px[0]
    total, watch = len(ATTRIBUTES) * len(cells), show_progress("Drawn", "cell")
    watch(0, total)
    for number, name in enumerate(ATTRIBUTES):
        asked = [one for one in sitters if name in one.wishes]
        wishes = [one.wishes[name] for one in asked]
        drawn = [draw_portrait(wish.who, wish.where, side).image for wish in wishes]
        shown = {"drawn, not generated": list(zip(asked, drawn, strict=True))}
        for step, (title, cell) in enumerate(cells.items(), 1):
            shown[title] = draw_cell(studio, sitters, known, name, cell)
            watch(number * len(cells) + step, total)
        rows = []
        for title, pictures in shown.items():
            told = [panel.tell(one, one.wishes[name], picture) for one, picture in pictures]
            rows += [
                {"attribute": name, "cell": title, "person": str(one.seed), "obeyed": obeyed, "likeness": likeness}
                for (one, _), (obeyed, likeness) in zip(pictures, told, strict=True)
            ]
        sheet = np.concatenate([np.concatenate([picture for _, picture in row], 1) for row in shown.values()], 0)
        Image.fromarray(sheet).save(folder / "attributes" / f"{name}.png")
        yield rows


def write_tables(rows: list[dict]) -> str:
    """Markdown: of all attributes, and of each, how far it was obeyed and how alike the person is; 95% intervals."""
    cells, names = (
        list(dict.fromkeys(row["cell"] for row in rows)),
        list(dict.fromkeys(row["attribute"] for row in rows)),
    )
    lines = ["| | pictures | obeyed | likeness |", "|---|---|---|---|"]
    lines += [f"| {cell} | {_describe([row for row in rows if row['cell'] == cell])} |" for cell in cells]
    lines += ["", "| obeyed, likeness | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for cell in cells:
        parts = [[row for row in rows if row["cell"] == cell and row["attribute"] == name] for name in names]
        lines.append(f"| {cell} | " + " | ".join(_describe(part, short=True) for part in parts) + " |")
    return "\n".join(lines)


def _describe(rows: list[dict], short: bool = False) -> str:
    people = [row["person"] for row in rows]
    means = [estimate_mean([row[name] for row in rows], people) for name in ("obeyed", "likeness")]
    if short:
        return ", ".join(f"{estimate.mean:.2f}" for estimate in means if estimate)
    return " | ".join([str(len(rows)), *map(write_span, means)])


def list_trials() -> dict[str, Cell]:
    """Settings to choose the table from."""

    def trial(weight: float, start: float) -> Cell:
        return Cell(1.0, table={name: replace(one, weight=weight, start=start) for name, one in ATTRIBUTES.items()})

    return {
        "words alone": Cell(),
        "regions": trial(1.0, 0.0),
        **{f"regions, weight {weight:g}": trial(weight, 0.0) for weight in (0.75, 0.5, 0.25)},
        **{f"regions, start {start:g}": trial(1.0, start) for start in (0.15, 0.3, 0.45)},
        "regions, weight 0.5, start 0.15": trial(0.5, 0.15),
    }


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="zoo.recipe.attributes", description="Measures changes of attributes.")
    parser.add_argument("folder", type=Path, help="of zoo.recipe: reads models and judges, writes attributes")
    parser.add_argument("--tune", action="store_true", help="compare settings, on other people")
    parser.add_argument("--people", type=int, help="how many, counted from the first")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="only these")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"), help="of the base model")
    parser.add_argument("--quick", action="store_true", help="without trained judges: zoo.recipe.probe")
    chosen = parser.parse_args(words)
    folder = chosen.folder.resolve()
    (folder / "attributes").mkdir(exist_ok=True)
    hide_loading_bars()
    people, cells = (TUNED, list_trials()) if chosen.tune else (REPORTED, CELLS)
    people = range(people.start, people.start + (chosen.people or len(people)))
    cells = {title: cell for title, cell in cells.items() if title in (chosen.cells or cells)}
    rows = []
    for more in measure(folder, people, cells, chosen.steps, chosen.dtype, chosen.quick):
        rows += more
        (folder / "attributes" / f"{'tuned' if chosen.tune else 'reported'}.json").write_text(json.dumps(rows), "utf-8")
    print(write_tables(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
