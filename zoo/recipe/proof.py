"""`python -m zoo.recipe.proof FOLDER`: what the adapter does for people that no model has seen, in numbers.

Every cell of the table draws the same people, prompts and seeds. The recogniser and the judge that measure took no part
in drawing; the detector did, which finds the face in the photo and in the pictures.
"""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from PIL import Image

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.headless import Headless
from consistentid.evaluation.plan import Plan, read_plan
from consistentid.evaluation.summary import Estimate, estimate_mean
from consistentid.fingerprint import hash_record
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.terminal import hide_loading_bars, show_progress
from consistentid.training.assembly import assemble_run
from consistentid.training.samples import read_sample
from zoo.drawn_faces import (
    Person,
    Scene,
    choose_scene,
    draw_portrait,
    sample_person,
    write_scene_prompt,
)

from .adapter import configure, write_records
from .base_model import SIDE_PX
from .judge import load_judge
from .jury import PROMPTED, SCORES, Jury, Verdict
from .language import write_text
from .plots import plot_proof
from .tables import write_span

PEOPLE, PROMPTS, SCENES = range(1000, 1050), 4, 16
PHOTO_PX = 256
PHOTOS = 3
"""Of each person, in scenes without a hat. The first is drawn from, with the others pictures are compared; the last
PROMPTS scenes are what is prompted."""
STEPS = 25
FILE = "proof.json"
ADAPTER, UNLOCALISED = "consistentid_zoo.safetensors", "without_localisation.safetensors"
BASE = {"weight": 0.0, "lora_weight": 0.0, "merge_at": 1.0}
TOLD = "base model, told the face in words"
SEVEN = "LoRA, both, with eyebrows and hair"
CELLS = {
    "base model": BASE,
    TOLD: BASE,
    "LoRA": {"weight": 0.0, "merge_at": 1.0},
    "LoRA, ID tokens": {"merge_at": 1.0},
    "LoRA, facial tokens": {"weight": 0.0, "merge_at": 0.0},
    "LoRA, both": {"merge_at": 0.0},
    SEVEN: {"merge_at": 0.0, "brows": True, "hair": True},
    "LoRA, both, trained without localisation": {"merge_at": 0.0, "adapter": UNLOCALISED},
    "LoRA, both, merged at 0.3": {"merge_at": 0.3},
    "LoRA, both, merged at 0.6": {"merge_at": 0.6},
}
"""Settings of `portrait` for each cell. Merged at 1, facial tokens never act: that is "LoRA, ID tokens". Only TOLD has
other prompts: they say all that words say of a face, to tell what the base model can show."""
PAIRS = (
    ("LoRA, both", "base model"),
    ("LoRA, both", "LoRA, ID tokens"),
    ("LoRA, both", "LoRA, facial tokens"),
    (SEVEN, "LoRA, both"),
    ("LoRA, facial tokens", "LoRA"),
    ("LoRA, facial tokens", TOLD),
    ("LoRA, both", "LoRA, both, trained without localisation"),
    ("LoRA, both, merged at 0.3", "LoRA, both"),
    ("LoRA, both, merged at 0.6", "LoRA, both"),
    ("LoRA, ID tokens", "LoRA, both, merged at 0.6"),
)
"""Cells whose pictures are compared one by one, the first less the second."""


def make_plan(folder: Path, people: range) -> tuple[Plan, dict[str, tuple[Person, Scene]]]:
    """Draw the photos of held-out people into folder/photos and write folder/plan.json; {case's key: what it shows}."""
    photos, cases, shown = folder / "photos", [], {}
    photos.mkdir(parents=True, exist_ok=True)
    named = {}
    for seed in people:
        who = sample_person(seed, held_out=True)
        scenes = [choose_scene(seed, SCENES, number, held_out=True) for number in range(SCENES)]
        bare = [scene for scene in scenes[:-PROMPTS] if scene.hat == "none"][:PHOTOS]
        named[str(seed)] = [f"photos/{seed}_{number}.png" for number in range(len(bare))]
        for file, scene in zip(named[str(seed)], bare, strict=True):
            Image.fromarray(draw_portrait(who, scene, PHOTO_PX).image).save(folder / file)
        for number, where in enumerate(scenes[-PROMPTS:]):
            prompt = write_scene_prompt(who, where)
            cases.append({"person": str(seed), "prompt": prompt, "seed": seed * PROMPTS + number})
            shown[str(seed), prompt] = who, where
    path = folder / "plan.json"
    path.write_text(json.dumps({"people": named, "cases": cases}), encoding="utf-8")
    plan = read_plan(path)
    return plan, {case.key: shown[case.person, case.prompt] for case in plan.cases}


def choose_settings(models: Path, judges: Path, changes: dict) -> PortraitSettings:
    adapter = judges / changes["adapter"] if "adapter" in changes else models / ADAPTER
    usual = PortraitSettings(base=ZOO.name, models_folder=str(models), steps=STEPS, device="cpu")
    return replace(usual, **changes | {"adapter": str(adapter)})


def judge_cells(folder: Path) -> dict[str, list[Verdict]]:
    """Draw what is missing of each cell, and have all pictures judged; also pictures that were drawn, not generated.

    Cases that could not be drawn are left out.
    """
    models, judges, proof = folder / "models", folder / "judges", folder / "proof"
    plan, shown = make_plan(proof, PEOPLE)
    jury = Jury(judges / "face", load_judge(judges / "judge.safetensors"))
    for person, photos in plan.people.items():
        jury.learn(person, [np.asarray(Image.open(photo)) for photo in photos[1:]])
    verdicts = judge_drawn(jury, plan, shown, AutoencoderTiny.from_pretrained(models / "base" / "vae"))
    for title, changes in CELLS.items():
        engine = Headless(choose_settings(models, judges, changes), next(iter(plan.people.values()))[0])
        name = f"{title.replace(',', '').replace(' ', '_')}-{hash_record(engine.describe())[:8]}"
        gallery = Gallery(proof / name)
        wanted = tell_faces(plan, shown) if title == TOLD else plan
        gallery.draw_missing(wanted, engine, "{prompt}", show_progress(title, "picture"))
        drawn = [case for case in wanted.cases if (entry := gallery.read_entry(case)) and not entry.error]
        verdicts[title] = [
            jury.tell(case.key, case.person, *shown[case.key], gallery.read_picture(case)) for case in drawn
        ]
    return verdicts


def tell_faces(plan: Plan, shown: dict[str, tuple[Person, Scene]]) -> Plan:
    """The same cases, with a description of the face behind each prompt, in the form that the base model learnt."""
    cases = (replace(case, prompt=write_text(*shown[case.key], "scene and face")) for case in plan.cases)
    return replace(plan, cases=tuple(cases))


def judge_drawn(jury: Jury, plan: Plan, shown: dict[str, tuple[Person, Scene]], vae) -> dict[str, list[Verdict]]:
    """What a perfect picture of the person would be told, what is left of it behind the autoencoder, and a picture of
    the next person of the kind and age that the prompt names, in the same scene."""
    who = {case.person: shown[case.key][0] for case in plan.cases}
    verdicts = {title: [] for title in ("drawn, not generated", "drawn, through the autoencoder", "drawn strangers")}
    for case in plan.cases:
        person, where = shown[case.key]
        whole, other = (draw_portrait(one, where, SIDE_PX).image for one in (person, find_stranger(case.person, who)))
        for title, picture in zip(verdicts, (whole, pass_through(vae, whole), other), strict=True):
            verdicts[title].append(jury.tell(case.key, case.person, person, where, picture))
    return verdicts


@torch.no_grad()
def pass_through(vae, picture: np.ndarray) -> np.ndarray:
    """A picture, RGB uint8 [H, W, 3], as the autoencoder gives it back."""
    pixels = torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
    decoded = vae.decode(vae.encode(pixels).latents).sample[0].permute(1, 2, 0)
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().numpy()


def find_stranger(name: str, who: dict[str, Person]) -> Person:
    """The next of the people who is of the same kind and age; the next, if nobody is."""
    names = list(who)
    after = names.index(name) + 1
    others = [who[other] for other in names[after:] + names[: after - 1]]
    alike = [other for other in others if all(getattr(other, trait) == getattr(who[name], trait) for trait in PROMPTED)]
    return (alike or others)[0]


def write_table(cells: dict[str, list[Verdict]]) -> str:
    """Markdown: means of each cell with 95% intervals, people drawn anew."""
    lines = [" | ".join(["", "pictures", *SCORES]), "|".join(["---"] * (len(SCORES) + 2))]
    for title, cell in cells.items():
        lines.append(" | ".join([title, str(len(cell)), *(write_span(_estimate(cell, name)) for name in SCORES)]))
    return "\n".join(f"| {line} |" for line in lines)


def compare_cells(cells: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    """{names of a pair: what is told of a picture of the first, less what is told of the same case in the second}."""
    compared = {}
    for first, second in PAIRS:
        others = {verdict.case: verdict for verdict in cells[second]}
        compared[f"{first} - {second}"] = [
            verdict.minus(others[verdict.case]) for verdict in cells[first] if verdict.case in others
        ]
    return compared


def _estimate(cell: list[Verdict], name: str) -> Estimate | None:
    measured = [(verdict.scores[name], verdict.person) for verdict in cell if name in verdict.scores]
    return estimate_mean(*map(list, zip(*measured, strict=True))) if measured else None


@torch.no_grad()
def measure_attention(models: Path, records: Path, adapter: str, work: Path) -> Estimate | None:
    """Part of the facial tokens' attention that lies in their regions, 0..1, at one noise level of each record.

    None without records. adapter: a file; "" for a new one, as training begins with. work: an empty folder.
    """
    kept: dict = {"drop_probability": 0.0, "id_drop_probability": 0.0, "extra_drop_probability": 0.0}
    if adapter:
        kept["regions"] = load_adapter(adapter).config.regions
    config = configure(models, records, work, 1, adapter=adapter, precision="no", **kept)
    run = assemble_run(config)
    masses, people = [], []
    for ordinal, record in enumerate(run.samples.records):
        inputs = run.frozen.encode([read_sample(record, ordinal, SIDE_PX, words=config.regions)])
        masses.append(run.model(**inputs.as_arguments())["mass"].item())
        people.append(record.name.partition("/")[0])
    return estimate_mean(masses, people)


def measure(folder: Path) -> dict:
    """All verdicts and the attention, as JSON can hold them; kept as folder/proof/proof.json."""
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
        "attention": {title: asdict(mass) for title, mass in masses.items() if mass},
    }
    (folder / "proof" / FILE).write_text(json.dumps(record), encoding="utf-8")
    return record


def write_tables(record: dict) -> str:
    """What `measure` gave, in Markdown."""
    verdicts = {title: [Verdict(**one) for one in cell] for title, cell in record["verdicts"].items()}
    masses = {title: Estimate(**mass) for title, mass in record["attention"].items()}
    lines = ["| attention of facial tokens inside their regions | |", "|---|---|"]
    lines += [f"| {title} | {write_span(mass)} |" for title, mass in masses.items()]
    return "\n\n".join([write_table(verdicts), write_table(compare_cells(verdicts)), "\n".join(lines)])


def main(words: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="zoo.recipe.proof", description="Measures the small models' adapter.")
    arguments.add_argument("folder", type=Path, help="of zoo.recipe; pictures, tables and plots go to its proof")
    arguments.add_argument("--measured", action="store_true", help="tables and plots of proof.json; draws no pictures")
    chosen = arguments.parse_args(words)
    folder = chosen.folder.resolve()
    hide_loading_bars()
    proof = folder / "proof"
    record = json.loads((proof / FILE).read_text(encoding="utf-8")) if chosen.measured else measure(folder)
    tables = write_tables(record)
    print(tables)
    (proof / "proof.md").write_text(tables + "\n", encoding="utf-8")
    for name, plot in plot_proof(tables).items():
        plot.save(proof / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
