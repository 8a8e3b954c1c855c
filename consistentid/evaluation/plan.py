"""What to draw: people, prompts and seeds, from a table or a JSON file."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ValidationError

from ..checked import describe, parse_json
from ..errors import ConsistentIDError
from ..fingerprint import hash_path, hash_record
from ..table import read_table

PHOTO_COLUMNS = ("photo", "image_name")
"""Ours, and that of the published table (ConsistentID, evaluation/EvaluationIMGs_stars_prompts.csv)."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class PlanError(ConsistentIDError):
    """A plan that cannot be read."""


@dataclass(frozen=True)
class Case:
    """One picture to draw. key: the same for the same photo, prompt and seed, in every plan."""

    person: str
    prompt: str
    seed: int
    key: str

    @property
    def file(self) -> str:
        return f"{re.sub(r'[^A-Za-z0-9]+', '-', self.person)[:40]}_{self.key}.png"


@dataclass(frozen=True)
class Plan:
    """people: {name: photos}; the first photo is drawn from, all are compared with. sha256: of the whole plan.
    captions: {name: facial description} of those who have one."""

    people: dict[str, tuple[Path, ...]]
    cases: tuple[Case, ...]
    sha256: str
    captions: dict[str, str] = field(default_factory=dict)

    @property
    def first_photo(self) -> Path:
        return next(iter(self.people.values()))[0]

    @property
    def captions_by_photo(self) -> dict[Path, str]:
        """{photo that is drawn from: caption}"""
        return {self.people[name][0]: caption for name, caption in self.captions.items()}

    def to_json(self, files: dict[Path, str]) -> str:
        """The form that `read_plan` reads. files: what to call each photo."""
        people = {name: [files[photo] for photo in photos] for name, photos in self.people.items()}
        cases = [{"person": case.person, "prompt": case.prompt, "seed": case.seed} for case in self.cases]
        told = {"captions": self.captions} if self.captions else {}
        return json.dumps({"people": people, **told, "cases": cases}, ensure_ascii=False, indent=1)


def read_plan(
    path: str | Path, photos: str | Path | None = None, seeds: Sequence[int] = (0,), drop_word: str = ""
) -> Plan:
    """A plan from a file.

    CSV, with commas, semicolons or tabs: columns photo (or Image_Name) and prompt, and seed if each row has its own; a
    photo may be a folder of photos of one person, and a column caption holds their facial description. JSON: {"people":
    {name: [photos]}} with "prompts", or with "cases" [{"person", "prompt", "seed"}], and "captions" {name: text}.
    Where no seed is stated, every one of `seeds` is drawn. photos: the folder of the photos, by default the plan's.
    drop_word: taken out of the prompts, as the "img" of the published table. PlanError says what is wrong and where.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"The plan {path} cannot be read ({error}). Name a CSV or JSON file in UTF-8.") from error
    read = _read_json if path.suffix.lower() == ".json" else _read_table
    people, rows, captions = read(text, path)
    folder = Path(photos) if photos else path.parent
    found = {name: _find_photos([folder / file for file in files], path) for name, files in people.items()}
    hashes = {name: hash_path(files[0]) for name, files in found.items()}
    cases = [
        _make_case(person, _drop_word(prompt, drop_word), number, hashes[person])
        for person, prompt, seed in rows
        for number in (seeds if seed is None else (seed,))
    ]
    cases = tuple(dict.fromkeys(cases))
    if not cases:
        raise PlanError(f"The plan {path} has no row. Give it at least one photo and one prompt.")
    record = [{name: [hash_path(file) for file in files] for name, files in found.items()}, [c.key for c in cases]]
    record += [captions] if captions else []
    return Plan(found, cases, hash_record(record), captions)


def list_pictures(folder: str | Path) -> list[Path]:
    """Pictures of a folder, by name; PlanError without one."""
    found = sorted(file for file in Path(folder).glob("*") if file.suffix.lower() in PICTURES)
    if not found:
        raise PlanError(f"{folder} is no folder with pictures ({', '.join(PICTURES)}).")
    return found


def _make_case(person: str, prompt: str, seed: int, photo_hash: str) -> Case:
    return Case(person, prompt, seed, hash_record([photo_hash, prompt, seed])[:16])


def _read_table(text: str, path: Path):
    """({person: [file]}, [(person, prompt, seed or None)], {person: caption})"""
    columns, lines = read_table(text, path, PlanError)
    known = {name.lower() for name in columns}
    photo = next((name for name in PHOTO_COLUMNS if name in known), None)
    if photo is None or "prompt" not in known:
        raise PlanError(f"{path} has the columns {columns}; it needs 'photo' and 'prompt'.")
    people: dict[str, list[str]] = {}
    rows, captions = [], {}
    for line, row in lines:
        file, prompt = row[photo], row["prompt"]
        if not file or not prompt:
            raise PlanError(f"{path}, line {line}: the photo or the prompt is empty.")
        person = Path(file).stem
        if people.setdefault(person, [file]) != [file]:
            raise PlanError(f"{path}, line {line}: {people[person][0]} and {file} are both '{person}'.")
        caption = row.get("caption", "")
        if caption and captions.setdefault(person, caption) != caption:
            raise PlanError(f"{path}, line {line}: a second caption for '{person}'. Give each person one.")
        seed = row.get("seed", "")
        rows.append((person, prompt, _read_seed(seed, f"{path}, line {line}") if seed else None))
    return people, rows, captions


_Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class _Row(BaseModel):
    person: _Text
    prompt: _Text
    seed: Any


class _Record(BaseModel):
    """Every person with every prompt and seed, or cases one by one."""

    people: dict[str, list[_Text]]
    prompts: list[_Text] = []
    seeds: list[Any] | None = None
    captions: dict[str, str] = {}
    cases: list[_Row] | None = None


def _read_json(text: str, path: Path):
    try:
        record = _Record.model_validate(parse_json(text))
    except ValueError as error:
        problem = describe(error) if isinstance(error, ValidationError) else error
        raise PlanError(
            f"{path} is not a plan ({problem}). Write an object of "
            '"people": {name: [photos]}, "prompts": [texts] and "seeds": [numbers].'
        ) from error
    if record.cases is None:
        seeds = [None] if record.seeds is None else [_read_seed(seed, str(path)) for seed in record.seeds]
        rows = list(product(record.people, record.prompts, seeds))
    else:
        rows = [(case.person, case.prompt, _read_seed(case.seed, str(path))) for case in record.cases]
    for place, names in (("cases", {person for person, *_ in rows}), ("captions", set(record.captions))):
        if strangers := names - record.people.keys():
            raise PlanError(f"{path}: '{place}' name {', '.join(sorted(strangers))}, who are not in 'people'.")
    return record.people, rows, record.captions


def _read_seed(text, where: str) -> int:
    try:
        seed = int(text)
    except (TypeError, ValueError, OverflowError):
        seed = -1
    if not 0 <= seed < 2**63:
        raise PlanError(f"{where}: the seed is {text!r}; it is a whole number from 0.")
    return seed


def _find_photos(paths: list[Path], plan: Path) -> tuple[Path, ...]:
    photos: list[Path] = []
    for path in paths:
        if path.is_dir():
            photos += list_pictures(path)
        elif path.is_file():
            photos.append(path)
    if not photos or not all(path.exists() for path in paths):
        missing = next((path for path in paths if not path.exists()), paths[0] if paths else plan)
        raise PlanError(f"The plan {plan} names {missing}, where no photo is. Name the folder of photos with --photos.")
    return tuple(photos)


def _drop_word(prompt: str, word: str) -> str:
    return " ".join(part for part in prompt.split() if part != word) if word else prompt
