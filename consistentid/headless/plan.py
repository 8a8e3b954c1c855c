"""A plan of portraits: a table with a person and a prompt in each row, and the options of the command for the rest."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ConsistentIDError
from ..fingerprint import describe_path, hash_path, hash_record
from ..identity.file import list_paths
from ..table import read_table
from .model_choice import find_files
from .option_texts import parse_lora
from .portrait_files import name_files
from .portrait_settings import FILES, PortraitSettings

OTHER_NAMES = {"photo": "face", "image_name": "face"}
"""Of columns, in plans for `evaluate` and in the published table."""
COLUMNS = ("name", "face", "identity", "prompt", "negative", "caption", "change", "seed")
NAME = "name"
UNTOLD = ("device", "dtype", "offload", "models_folder")
"""Settings that say where and how a picture is drawn, not which."""


@dataclass(frozen=True)
class Row:
    """One line of a plan. name: of its pictures, without ending. settings: of this portrait; a seed of None is chosen
    by chance. digest: of all that makes the picture what it is. problem: why it cannot be drawn, or ""."""

    line: int
    name: str
    settings: PortraitSettings
    digest: str = ""
    problem: str = ""

    def list_pictures(self, out: Path) -> list[Path]:
        return name_files(out / f"{self.name}.png", self.settings.batch)[:-1]


def read_rows(path: str | Path, common: PortraitSettings) -> tuple[list[Row], PortraitSettings]:
    """The rows of a CSV file, and what they share, with the path of every model.

    Each row is `common` with what it says itself; files are named from the folder of the plan. Of two rows that ask for
    one picture the second has a problem. ConsistentIDError for a file that is no such table.
    """
    path = Path(path)
    try:
        columns, lines = read_table(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConsistentIDError(f"The plan {path} cannot be read ({error}). Name a CSV file in UTF-8.") from error
    strange = [name for name in columns if _call(name) not in COLUMNS]
    if strange or not lines:
        found = f"has the columns {', '.join(strange)}, which are none" if strange else "has no row"
        raise ConsistentIDError(f"The plan {path} {found}. Columns: {', '.join(COLUMNS)}; options go for all rows.")
    named = [(line, {_call(name): text for name, text in cells.items()}) for line, cells in lines]
    photo = next((cells["face"] for _, cells in named if cells.get("face")), common.face)
    models = find_files(replace(common, face=photo, identity=""))
    made_of = _describe_models(models)
    taken: dict[str, int] = {}
    rows = []
    for line, cells in named:
        row = _make_row(line, cells, common, path.parent, made_of)
        pictures = () if row.problem else row.list_pictures(Path())
        for picture in pictures:
            first = taken.setdefault(picture.name.casefold(), line)
            if first != line:
                row = replace(row, problem=f"It asks for the same picture, {picture.name}, as line {first}.")
        rows.append(row)
    return rows, models


def _call(column: str) -> str:
    column = column.strip().lower()
    return OTHER_NAMES.get(column, column)


def _make_row(line: int, cells: dict[str, str], common: PortraitSettings, folder: Path, made_of: list) -> Row:
    settings, name = common, cells.get(NAME, "").removesuffix(".png")
    try:
        settings = _read_settings(cells, common, folder)
        digest = hash_record([made_of, describe_row(settings)])
        name = name or f"{name_person(settings.identity or settings.face)}_{digest[:12]}"
        name = next(list_paths(Path(), name)).stem
    except ConsistentIDError as error:
        return Row(line, name, settings, problem=str(error))
    return Row(line, name, settings, digest)


def _read_settings(cells: dict[str, str], common: PortraitSettings, folder: Path) -> PortraitSettings:
    given = {key: text for key, text in cells.items() if text and key != NAME}
    people = {key: str(folder / given.pop(key)) for key in ("face", "identity") if key in given}
    own: dict[str, Any] = {"face": "", "identity": "", **people} if people else {}
    if "change" in given:
        own["change"] = tuple(part.strip() for part in given.pop("change").split(";"))
    if "seed" in given:
        seed = given.pop("seed")
        if not re.fullmatch(r"\d{1,19}", seed):
            raise ConsistentIDError(f"The seed is '{seed}'; it is a whole number from 0.")
        own["seed"] = int(seed)
    settings = replace(common, **given, **own)
    settings.check()
    return settings


def name_person(file: str) -> str:
    """A name for what is made of the photo or identity file of a person.

    >>> name_person("photos/Ada L. (1).jpg")
    'Ada-L-1'
    """
    return re.sub(r"\W+", "-", Path(file).stem).strip("-")[:40]


def describe_row(settings: PortraitSettings) -> dict:
    """What a portrait is, whatever the machine: people by the content of their files, models left out."""
    record = {key: value for key, value in asdict(settings).items() if key not in (*UNTOLD, *FILES, "lora")}
    for key in ("face", "identity"):
        record[key] = _hash_person(record[key]) if record[key] else ""
    return record


@lru_cache(maxsize=4096)
def _hash_person(path: str) -> str:
    return hash_path(path)


def _describe_models(models: PortraitSettings) -> list:
    """Names, sizes and times of the files that all rows share."""
    named: Iterable[str] = (*(getattr(models, name) for name in FILES), *(parse_lora(text)[0] for text in models.lora))
    weights = [parse_lora(text)[1] for text in models.lora]
    return [weights, *(describe_path(Path(path))[1:] for path in named if path)]
