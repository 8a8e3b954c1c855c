"""A blind comparison by people: one page with pairs of pictures that tells nobody which run drew which, and its key."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from ..errors import ConsistentIDError
from ..fingerprint import hash_record
from ..packages import needed
from .page import find_photos, inline_picture

FORMAT = 1
TEMPLATE, SCRIPT = (Path(__file__).with_name(f"study.{end}") for end in ("html", "js"))
QUESTIONS = ("Which picture looks more like the person in the photo?", "Which picture fits the text better?")


class StudyError(ConsistentIDError):
    """A study that cannot be made or counted."""


@dataclass(frozen=True)
class Pair:
    """One comparison. runs: titles, pictures: what the page calls them, both in the order of the runs; files: of the
    pictures, photo: of the person."""

    id: str
    runs: tuple[str, str]
    pictures: tuple[str, str]
    files: tuple[Path, Path]
    photo: Path
    person: str
    prompt: str
    seed: int


def choose_pairs(outcomes: list[dict], folders: list[Path], count: int = 0, seed: int = 0) -> list[Pair]:
    """Pairs of pictures of one photo, prompt and seed: of the first run and each other one.

    outcomes: records of `evaluate run`. count: at most so many, spread over runs and people; 0 for all. The same seed
    chooses the same. StudyError without any pair.
    """
    if len({one["title"] for one in outcomes}) < len(outcomes):
        raise StudyError("Two of the runs have the same name. Rename the folder of one, and score it again.")
    photos, (first, *others) = find_photos(folders), list(zip(outcomes, folders, strict=True))
    groups: dict[tuple[str, str], list[Pair]] = {}
    for other in others:
        for pair in _pair_runs(first, other, photos, seed):
            groups.setdefault((pair.runs[1], pair.person), []).append(pair)
    chance = random.Random(seed)
    for pairs in groups.values():
        chance.shuffle(pairs)
    mixed = list(groups.values())
    chance.shuffle(mixed)
    chosen = [pair for pair in chain.from_iterable(zip_longest(*mixed)) if pair]
    if not chosen:
        raise StudyError("The runs have no picture of the same photo, prompt and seed in common.")
    return chosen[: count or None]


def _pair_runs(first: tuple[dict, Path], second: tuple[dict, Path], photos: dict[str, Path], seed: int):
    drawn = [{row["key"]: row for row in outcome["cases"] if not row["error"]} for outcome, _ in (first, second)]
    titles = first[0]["title"], second[0]["title"]
    for key, row in drawn[0].items():
        if key in drawn[1]:
            one, other = (hash_record([seed, title, key])[:12] for title in titles)
            files = (
                first[1] / "pictures" / row["picture"],
                second[1] / "pictures" / drawn[1][key]["picture"],
            )
            facts = row["person"], row["prompt"], row["seed"]
            yield Pair(hash_record([one, other])[:12], titles, (one, other), files, photos[row["person"]], *facts)


def write_study(
    pairs: list[Pair], title: str, questions: Sequence[str] = QUESTIONS, side_px: int = 640
) -> tuple[str, str]:
    """(the page, its key in JSON). side_px: the longer side of the pictures in the page, at most.

    Who has the page alone cannot tell the runs apart, but by what the pictures show.
    """
    with needed("jinja2", "The page of a study"):
        from jinja2 import Environment
        from markupsafe import Markup

    if not questions or not all(question.strip() for question in questions):
        raise StudyError("A study needs at least one question, and none that is empty.")
    name = hash_record([[pair.id for pair in pairs], list(questions)])[:12]
    photos = list(dict.fromkeys(pair.photo for pair in pairs))
    files = dict(sorted((id, file) for pair in pairs for id, file in zip(pair.pictures, pair.files, strict=True)))
    study = {
        "study": name,
        "questions": list(questions),
        "pairs": [
            {"id": p.id, "photo": photos.index(p.photo), "prompt": p.prompt, "pictures": sorted(p.pictures)}
            for p in pairs
        ],
        "photos": [inline_picture(photo, side_px) for photo in photos],
        "pictures": {id: inline_picture(file, side_px) for id, file in files.items()},
    }
    data = json.dumps(study, ensure_ascii=False).replace("<", "\\u003c")
    template = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(title=title, study=Markup(data), script=Markup(SCRIPT.read_text(encoding="utf-8")))
    return page, json.dumps(_write_key(name, pairs, questions), ensure_ascii=False, indent=1)


def _write_key(name: str, pairs: list[Pair], questions: Sequence[str]) -> dict:
    told = [
        {"id": p.id, "runs": p.runs, "pictures": p.pictures, "person": p.person, "prompt": p.prompt, "seed": p.seed}
        for p in pairs
    ]
    return {"format": FORMAT, "study": name, "questions": list(questions), "pairs": told}
