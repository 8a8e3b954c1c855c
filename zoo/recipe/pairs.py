"""`python -m zoo.recipe.pairs`: two people in one picture, in numbers: is each in their place, are traits exchanged?

Pairs of people whom no model has seen, of one kind and age and of skins that differ clearly; each once on the left and
once on the right. Every cell draws the same people, prompts and noise.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import ZOO
from consistentid.evaluation.summary import estimate_mean
from consistentid.face.package import load_face_analysis
from consistentid.face.parsing import LABELS, load_face_parser
from consistentid.face.search import detect_faces
from consistentid.headless.clip_text import ClipText
from consistentid.headless.clip_vision import ClipVision, load_clip_vision
from consistentid.headless.conditioning import Conditioning, encode_prompt
from consistentid.headless.masks import RunMasks
from consistentid.headless.person import make_mask
from consistentid.headless.pipeline import load_pipeline
from consistentid.headless.unet import install_adapter
from consistentid.identity import Identity
from consistentid.identity.encode import PhotoModels, encode_photo
from consistentid.identity.people import Person
from consistentid.likeness.faces import Reference, measure_reference
from consistentid.model_files.small_models import ZOO_FOLDER, find_zoo
from consistentid.prompt.compose import compose_for_people
from consistentid.prompt.encode import repeat_text
from consistentid.terminal import hide_loading_bars, show_progress
from zoo.drawn_faces import EXAMPLE_SCENES, choose_scene, describe_person, draw_portrait, name_person, sample_person
from zoo.drawn_faces.palette import FABRIC, SKIN
from zoo.drawn_faces.words import PLACES

from .tables import write_span

FIRST, PHOTO_PX = 3000, 256
STEPS, GUIDANCE, BATCH = 25, 3.5, 4
PARTS = ((0.0, 0.484), (0.516, 1.0))
"""Of the width, as in the workflow small_two_people_zoo."""
APART = 60
"""By how much skins and clothes of a pair differ in mean brightness, 0..255, or in colour."""
CELLS = {"facial tokens in masks, other words everywhere": False, "every word in its person's mask": True}
"""Whether all that is said of a person stays inside the mask."""
SCORES = (
    "both found",
    "nearer to its own",
    "likeness",
    "likeness to the other",
    "own skin",
    "own clothes",
    "skin off by",
)


@dataclass(frozen=True, eq=False)
class Someone:
    """A drawn person, and what the models know of them. skin: mean brightness in the photos, 0..255."""

    name: str
    identity: Identity
    reference: Reference
    skin: float


class Studio:
    """The models that draw and those that measure."""

    def __init__(self, models: Path, recogniser: Path):
        files = find_zoo(folder=models)
        self.adapter = load_adapter(files["adapter"]).to("cpu", torch.float32)
        self.parser, self.measure = load_face_parser(files["face_parser"]), load_face_analysis(recogniser)
        encoder = ClipVision(load_clip_vision(files["clip_vision"], ZOO))
        self.photo_models = PhotoModels(encoder, self.parser, load_face_analysis(files["face_package"]))
        self.pipeline = load_pipeline(files["checkpoint"], ZOO)
        self.pipeline.set_progress_bar_config(disable=True)
        self.clip = ClipText(self.pipeline, ZOO)
        install_adapter(self.pipeline.unet, self.adapter)

    def meet(self, seed: int) -> Someone:
        """Read a person from one picture, and keep two others to measure with; none with a hat."""
        who = sample_person(seed, held_out=True)
        scenes = (choose_scene(seed, EXAMPLE_SCENES, number, held_out=True) for number in count())
        photo, *others = (draw_portrait(who, scene, PHOTO_PX) for scene in _take(scenes, 3))
        identity, _ = encode_photo(photo.image, self.photo_models, ZOO.parsing_px)
        skins = np.concatenate([one.image[one.labels == LABELS.index("skin")] for one in others])
        return Someone(
            name_person(who),
            replace(identity, caption=describe_person(who)),
            measure_reference(self.measure, [one.image for one in others]),
            float(skins.mean()),
        )

    def draw(self, cases: list["Case"], whole: bool) -> list[np.ndarray]:
        """RGB uint8 of each case, in one batch. whole: see CELLS."""
        told = [self._encode(case, whole) for case in cases]
        length = math.lcm(*(one.facial.positive.shape[1] for one in told))
        texts = [
            torch.cat([repeat_text(stage, length) for stage in part])
            for part in zip(*map(_list_texts, told), strict=True)
        ]
        tokens = [one.id_tokens for one in told if one.id_tokens is not None]  # all have them
        ids = torch.cat([torch.stack([pair[side] for pair in tokens]) for side in (1, 0)])
        words = tuple(getattr(one.facial, name) for name in ("negative_words", "words") for one in told)
        width, height = ZOO.size_px
        size = (height // self.pipeline.vae_scale_factor, 2 * width // self.pipeline.vae_scale_factor)
        masks = RunMasks(told[0].people, size, words, (0,) * len(words))
        return self.pipeline(
            **dict(zip(("prompt_embeds", "negative_prompt_embeds"), texts, strict=True)),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            width=2 * width,
            height=height,
            generator=[torch.Generator().manual_seed(case.seed) for case in cases],
            cross_attention_kwargs={"id_tokens": ids, "masks": masks},
            output_type="np",
        ).images

    def _encode(self, case: "Case", whole: bool) -> Conditioning:
        people = tuple(Person(one.identity, make_mask(part)) for one, part in zip(case.pair, PARTS, strict=True))
        composed = compose_for_people(case.prompt, "", [one.identity for one in case.pair], ZOO)
        composed = composed if whole else replace(composed, spans=(), spans_before=())
        return encode_prompt(self.clip, self.adapter, people, composed)

    def tell(self, picture: np.ndarray, pair: tuple[Someone, Someone], colours: tuple[str, str]) -> dict[str, float]:
        """What is seen in a picture, by the names in SCORES; a face that is not there is nobody's."""
        width, told = picture.shape[1], []
        faces = detect_faces(self.measure, picture, any_recogniser=True)
        halves = [[face for face in faces if (face.box[[0, 2]].mean() > width / 2) == side] for side in (False, True)]
        for side, found in enumerate(halves):
            half = picture[:, side * width // 2 : (side + 1) * width // 2]
            told.append(self._tell_half(half, found, pair[side], pair[1 - side], colours[side], colours[1 - side]))
        shared = {name: [one[name] for one in told if name in one] for name in SCORES[1:]}
        return {"both found": float(all(halves))} | {name: float(np.mean(x)) for name, x in shared.items() if x}

    def _tell_half(
        self, half, faces, own: Someone, other: Someone, colour: str, others_colour: str
    ) -> dict[str, float]:
        if not faces:
            return dict.fromkeys(SCORES[1:6], 0.0)
        face = max(faces, key=lambda face: face.area)
        near, far = (float(face.id_embedding @ one.reference.embedding) for one in (own, other))
        scores = {"nearer to its own": float(near > far), "likeness": near, "likeness to the other": far}
        labels = self.parser.parse(half, ZOO.parsing_px)
        pixels = np.asarray(Image.fromarray(half).resize(labels.shape[::-1]), np.float64)
        skin, cloth = (pixels[labels == LABELS.index(name)] for name in ("skin", "cloth"))
        if len(skin):
            off, beside = abs(skin.mean() - own.skin), abs(skin.mean() - other.skin)
            scores |= {"own skin": float(off < beside), "skin off by": off}
        if len(cloth):
            near, far = (np.abs(cloth.mean(0) - FABRIC[name]).sum() for name in (colour, others_colour))
            scores["own clothes"] = float(near < far)
        return scores


@dataclass(frozen=True, eq=False)
class Case:
    """One picture: the first of the pair on the left. number: of the pair; colours: of what the two wear."""

    number: int
    pair: tuple[Someone, Someone]
    prompt: str
    colours: tuple[str, str]
    seed: int


def _list_texts(conditioning: Conditioning) -> tuple[torch.Tensor, torch.Tensor]:
    return conditioning.facial.positive, conditioning.facial.negative


def choose_pairs(pairs: int) -> list[tuple[int, int]]:
    """Seeds of people of one name whose skins differ by APART in brightness; everybody is in one pair at most."""
    waiting, found = {}, []
    for seed in count(FIRST):
        if len(found) == pairs:
            return found
        who = sample_person(seed, held_out=True)
        row = waiting.setdefault(name_person(who), [])
        light = np.mean(SKIN[who.skin])
        partner = next((one for one in row if abs(one[1] - light) > APART), None)
        if partner:
            row.remove(partner)
            found.append((partner[0], seed))
        else:
            row.append((seed, light))
    return found


def make_cases(number: int, met: list[Someone]) -> list[Case]:
    """Of one pair, both orders; each wears the same colour in both."""
    place, colours, cases = list(PLACES.values())[number % len(PLACES)], choose_colours(number), []
    for first, second in ((0, 1), (1, 0)):
        pair, worn = (met[first], met[second]), (colours[first], colours[second])
        people = [
            f"<{name}> {one.name} wearing a {colour} hoodie" for name, one, colour in zip("AB", pair, worn, strict=True)
        ]
        cases.append(Case(number, pair, f"{place}, {people[0]}, {people[1]}", worn, 2 * number + first))
    return cases


def choose_colours(number: int) -> tuple[str, str]:
    """Two of FABRIC that differ clearly."""
    rng = np.random.default_rng(number)
    while True:
        first, second = rng.choice(list(FABRIC), 2, replace=False).tolist()
        if np.abs(np.subtract(FABRIC[first], FABRIC[second])).sum() > 2 * APART:
            return first, second


def _take(scenes: Iterator, number: int) -> list:
    bare = (scene for scene in scenes if scene.hat == "none")
    return [next(bare) for _ in range(number)]


def measure_pairs(studio: Studio, pairs: int, folder: Path | None = None) -> dict[str, list[tuple[str, dict]]]:
    """{cell: [(name of the pair, scores)]}, a picture for each order; pictures are kept in `folder` if there is one."""
    told, seeds, watch = {title: [] for title in CELLS}, choose_pairs(pairs), show_progress("Drawn", "pair")
    watch(0, pairs)
    for first in range(0, pairs, BATCH):
        met = [[studio.meet(seed) for seed in both] for both in seeds[first : first + BATCH]]
        cases = [case for number, both in enumerate(met, first) for case in make_cases(number, both)]
        for cell, (title, whole) in enumerate(CELLS.items()):
            for case, pixels in zip(cases, studio.draw(cases, whole), strict=True):
                picture = (pixels * 255).round().astype(np.uint8)
                told[title].append((str(case.number), studio.tell(picture, case.pair, case.colours)))
                if folder:
                    Image.fromarray(picture).save(folder / f"{case.seed:03}_{cell}.png")
        watch(min(first + BATCH, pairs), pairs)
    return told


def write_table(told: dict[str, list[tuple[str, dict]]]) -> str:
    """Markdown: means of each cell with 95% intervals, pairs drawn anew."""
    lines = [" | ".join(["", "pictures", *SCORES]), "|".join(["---"] * (len(SCORES) + 2))]
    for title, rows in told.items():
        lines.append(" | ".join([title, str(len(rows)), *(_describe(rows, name) for name in SCORES)]))
    return "\n".join(f"| {line} |" for line in lines)


def _describe(rows: list[tuple[str, dict]], name: str) -> str:
    told = [(scores[name], pair) for pair, scores in rows if name in scores]
    estimate = estimate_mean([value for value, _ in told], [pair for _, pair in told])
    return write_span(estimate, ".1f" if name == "skin off by" else ".2f")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="zoo.recipe.pairs", description="Measures two people in one picture.")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of people (default: 40)")
    parser.add_argument("--models", type=Path, default=ZOO_FOLDER, help="folder of the small models")
    parser.add_argument("--recogniser", type=Path, help="face package that measures (default: that of the models)")
    parser.add_argument("--pictures", type=Path, help="folder that the pictures are written to")
    arguments = parser.parse_args(words)
    hide_loading_bars()
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    studio = Studio(arguments.models, arguments.recogniser or arguments.models / "face")
    with torch.inference_mode():
        print(write_table(measure_pairs(studio, arguments.pairs, arguments.pictures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
