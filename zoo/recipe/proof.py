"""`python -m zoo.recipe.proof FOLDER`: what the adapter does for people that no model has seen, in numbers.

Every cell of the table draws the same people, prompts and seeds. The judges took no part in drawing.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from consistentid.adapter.config import ZOO
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.headless import Headless
from consistentid.evaluation.likeness import measure_reference, score_picture
from consistentid.evaluation.plan import Plan, read_plan
from consistentid.evaluation.summary import Estimate, estimate_mean
from consistentid.face.analysis import load_face_analysis
from consistentid.hosts.command import hide_loading_bars, print_progress
from consistentid.hosts.portrait_settings import PortraitSettings
from consistentid.training.assembly import assemble_run
from consistentid.training.samples import load_batches
from zoo.drawn_faces import Person, Scene, choose_scene, draw_person, draw_portrait, write_scene_prompt

from .adapter import configure, write_records
from .base_model import SIDE_PX
from .judge import Judge, load_judge
from .traits import HIDDEN, PERSON_TRAITS, SCENE_TRAITS, TRAITS, read_traits

PEOPLE, PROMPTS, SCENES = range(50), 4, 16
PHOTO_PX = 256
PHOTOS = 3
"""Of each person, in the first scenes; the first is drawn from. The last PROMPTS scenes are what is prompted."""
STEPS = 25
BATCHES = 25
PROMPTED = ("kind", "age")
"""Traits of the person that the prompt tells."""
REGIONS = tuple(dict.fromkeys(trait.regions[0] for trait in PERSON_TRAITS))
ADAPTER, UNLOCALISED = "consistentid_zoo.safetensors", "without_localisation.safetensors"
CELLS = {
    "no adapter": {"weight": 0.0, "lora_weight": 0.0, "merge_at": 1.0},
    "ID tokens only": {"merge_at": 1.0},
    "facial tokens only": {"weight": 0.0, "merge_at": 0.0},
    "both": {"merge_at": 0.0},
    "both, trained without localisation": {"merge_at": 0.0, "adapter": UNLOCALISED},
    "both, merged at 0.3": {"merge_at": 0.3},
    "both, merged at 0.6": {"merge_at": 0.6},
}
"""Settings of `portrait` for each cell. Merged at 1, facial tokens never act: that is "ID tokens only"."""


@dataclass(frozen=True)
class Verdict:
    """What is told of one picture. likeness: cosine to the person's photos, 0 without a face. regions: share of the
    traits in it that are the person's, by the word of a region; obedience: of what the prompt asks for."""

    person: str
    likeness: float
    regions: dict[str, float]
    obedience: float


class Jury:
    """The independent recogniser and the judge; `learn` comes before `tell`."""

    def __init__(self, recognisers: Path, judge: Judge):
        self.analysis, self.judge = load_face_analysis(recognisers), judge
        self.references = {}

    def learn(self, person: str, photos: list[np.ndarray]) -> None:
        self.references[person] = measure_reference(self.analysis, photos)

    def tell(self, person: str, who: Person, where: Scene, picture: np.ndarray) -> Verdict:
        """picture: RGB uint8 [128, 128, 3]. who and where: whom it is to show, in which scene."""
        score = score_picture(self.analysis, self.references[person], picture)
        told = [scores[0].argmax() for scores in self.judge.judge(picture[None]).values()]
        right = {
            trait: float(answer == wanted)
            for trait, answer, wanted in zip(TRAITS, told, read_traits(who, where), strict=True)
            if wanted != HIDDEN
        }
        kept = {trait: value for trait, value in right.items() if trait in PERSON_TRAITS and trait.name not in PROMPTED}
        regions = {word: [value for trait, value in kept.items() if trait.regions[0] == word] for word in REGIONS}
        asked = [value for trait, value in right.items() if trait in SCENE_TRAITS or trait.name in PROMPTED]
        return Verdict(
            person,
            0.0 if score.cosine is None else score.cosine,
            {word: float(np.mean(values)) for word, values in regions.items() if values},
            float(np.mean(asked)),
        )


def make_plan(folder: Path, people: range = PEOPLE) -> tuple[Plan, dict[str, tuple[Person, Scene]]]:
    """Draw the photos of held-out people into folder/photos and write folder/plan.json; {case's key: what it shows}."""
    photos, cases, shown = folder / "photos", [], {}
    photos.mkdir(parents=True, exist_ok=True)
    named = {}
    for seed in people:
        who = draw_person(seed, held_out=True)
        named[str(seed)] = [f"photos/{seed}_{number}.png" for number in range(PHOTOS)]
        for number, file in enumerate(named[str(seed)]):
            portrait = draw_portrait(who, choose_scene(seed, SCENES, number, held_out=True), PHOTO_PX)
            Image.fromarray(portrait.image).save(folder / file)
        for number in range(SCENES - PROMPTS, SCENES):
            where = choose_scene(seed, SCENES, number, held_out=True)
            prompt = write_scene_prompt(who, where)
            cases.append({"person": str(seed), "prompt": prompt, "seed": number})
            shown[str(seed), prompt] = who, where
    path = folder / "plan.json"
    path.write_text(json.dumps({"people": named, "cases": cases}), encoding="utf-8")
    plan = read_plan(path)
    return plan, {case.key: shown[case.person, case.prompt] for case in plan.cases}


def choose_settings(models: Path, judges: Path, changes: dict) -> PortraitSettings:
    adapter = judges / changes["adapter"] if "adapter" in changes else models / ADAPTER
    usual = PortraitSettings(base=ZOO.name, models_folder=str(models), steps=STEPS, device="cpu")
    return replace(usual, **changes | {"adapter": str(adapter)})


def judge_cells(folder: Path, people: range = PEOPLE) -> dict[str, list[Verdict]]:
    """Draw what is missing of each cell, and have all pictures judged; also pictures that were drawn, not generated."""
    models, judges, proof = folder / "models", folder / "judges", folder / "proof"
    plan, shown = make_plan(proof, people)
    jury = Jury(judges / "face", load_judge(judges / "judge.safetensors"))
    for person, photos in plan.people.items():
        jury.learn(person, [np.asarray(Image.open(photo)) for photo in photos])
    strangers = dict(zip(plan.people, [*list(plan.people)[1:], next(iter(plan.people))], strict=True))
    drawn = {case.key: draw_portrait(*shown[case.key], SIDE_PX).image for case in plan.cases}
    verdicts = {
        "drawn, not generated": [jury.tell(case.person, *shown[case.key], drawn[case.key]) for case in plan.cases],
        "drawn strangers": [
            jury.tell(strangers[case.person], *shown[case.key], drawn[case.key]) for case in plan.cases
        ],
    }
    for title, changes in CELLS.items():
        gallery = Gallery(proof / title.replace(",", "").replace(" ", "_"))
        engine = Headless(choose_settings(models, judges, changes), plan.people[str(people[0])][0])
        gallery.draw_missing(plan, engine, "{prompt}", partial(print_progress, title))
        verdicts[title] = [jury.tell(case.person, *shown[case.key], gallery.read_picture(case)) for case in plan.cases]
    return verdicts


def write_table(verdicts: dict[str, list[Verdict]]) -> str:
    """Markdown: means of each cell with 95% intervals, people drawn anew."""
    columns = {
        "likeness": lambda verdict: verdict.likeness,
        **{word: partial(_read_region, word) for word in REGIONS},
        "prompt": lambda verdict: verdict.obedience,
    }
    lines = [" | ".join(["", "pictures", *columns]), "|".join(["---"] * (len(columns) + 2))]
    for title, cell in verdicts.items():
        means = [_describe(estimate) for estimate in (_estimate(cell, read) for read in columns.values())]
        lines.append(" | ".join([title, str(len(cell)), *means]))
    return "\n".join(f"| {line} |" for line in lines)


def _read_region(word: str, verdict: Verdict) -> float | None:
    return verdict.regions.get(word)


def _estimate(cell: list[Verdict], read: Callable[[Verdict], float | None]) -> Estimate | None:
    measured = [(value, verdict.person) for verdict in cell if (value := read(verdict)) is not None]
    return estimate_mean(*map(list, zip(*measured, strict=True))) if measured else None


def _describe(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    low, high = estimate.by_person or estimate.interval or (estimate.mean, estimate.mean)
    return f"{estimate.mean:.3f} ({low:.3f} to {high:.3f})"


@torch.no_grad()
def measure_attention(models: Path, records: Path, adapter: str, work: Path) -> Estimate:
    """Part of the facial tokens' attention that lies in their regions, 0..1, over batches of the records.

    adapter: a file; "" for a new one, as training begins with. work: an empty folder.
    """
    config = configure(models, records, work, BATCHES, adapter=adapter, drop_probability=0.0, precision="no")
    run = assemble_run(config)
    batches = islice(load_batches(run.samples, 0, 0, 1), BATCHES)
    return estimate_mean([run.model(**run.frozen.encode(batch).as_arguments())["mass"].item() for batch in batches])


def main(words: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="zoo.recipe.proof", description="Measures the zoo's adapter.")
    arguments.add_argument("folder", type=Path, help="of zoo.recipe; pictures and proof.json are written to its proof")
    folder = arguments.parse_args(words).folder
    hide_loading_bars()
    verdicts = judge_cells(folder)
    models, judges = folder / "models", folder / "judges"
    records = write_records(folder / "records", models / "face", PEOPLE, PROMPTS, held_out=True)
    adapters = {"before": "", "without localisation": str(judges / UNLOCALISED), "with": str(models / ADAPTER)}
    with TemporaryDirectory() as work:
        masses = {
            title: measure_attention(models, records, file, Path(work, title)) for title, file in adapters.items()
        }
    record = {
        "verdicts": {title: [asdict(verdict) for verdict in cell] for title, cell in verdicts.items()},
        "attention": {title: asdict(mass) for title, mass in masses.items()},
    }
    (folder / "proof" / "proof.json").write_text(json.dumps(record), encoding="utf-8")
    print(write_table(verdicts))
    for title, mass in masses.items():
        print(f"Attention of facial tokens inside their regions, {title}: {_describe(mass)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
