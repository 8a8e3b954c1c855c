"""A plan of portraits drawn: models are loaded once, several pictures go through the UNet together, what is there
already is kept, and a row that fails does not stop the others."""

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from PIL import Image

from ..adapter.config import find_config
from ..checked import parse_json
from ..errors import CheckpointError, ConsistentIDError, MissingPackageError
from ..face2diffusion.encoder import TextIdentity
from ..whole_file import replace_file
from .kept_people import KeptPeople
from .person import prepare_adapter
from .plan import Row
from .portrait import choose_device
from .portrait_files import make_record
from .portrait_settings import PNG_KEY, PortraitSettings
from .studio import Asked, Studio, Weights

IDENTITIES, TABLE = "identities", "portraits.csv"
ROW = "row"
Watch = Callable[[str, int, int], None]


@dataclass
class Outcome:
    """drawn, kept: pictures of this run and of earlier ones; problems: {line: why it has none}; seconds: of drawing,
    without loading models and reading people."""

    drawn: int = 0
    kept: int = 0
    problems: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def draw_plan(
    rows: Sequence[Row],
    models: PortraitSettings,
    out: Path,
    at_once: int = 4,
    overwrite: bool = False,
    watch: Watch = lambda word, done, total: None,
) -> Outcome:
    """Draw the pictures of all rows that `out` has not; the folder is there and belongs to this run.

    models: what rows share, with the path of every model. at_once: pictures that go through the UNet together; other
    numbers change pictures by rounding only. overwrite: write over pictures that were drawn otherwise. The table
    portraits.csv says of each row what became of it. ConsistentIDError for models that cannot be used.
    """
    outcome = Outcome(problems={row.line: row.problem for row in rows if row.problem})
    files = (file for settings in (models, *(row.settings for row in rows)) for file in settings.list_files())
    sources = {Path(file).resolve() for file in files if file}
    try:
        open_rows = [row for row in rows if not row.problem and _is_open(row, out, sources, overwrite, outcome)]
        if open_rows:
            _draw_rows(open_rows, models, out, at_once, watch, outcome)
    finally:
        _write_table(rows, out, outcome)
    return outcome


def _is_open(row: Row, out: Path, sources: set[Path], overwrite: bool, outcome: Outcome) -> bool:
    """Whether a row is to be drawn; what is there is counted, what is in the way is a problem."""
    if not sources.isdisjoint(picture.resolve() for picture in row.list_pictures(out)):
        outcome.problems[row.line] = f"{row.name}.png would be written over a file that this plan reads. Name another."
        return False
    found = [picture for picture in row.list_pictures(out) if picture.exists()]
    others = [picture for picture in found if _read_digest(picture) != row.digest]
    if others and not overwrite:
        outcome.problems[row.line] = (
            f"{others[0]} is there already and was drawn otherwise. Give the row another name, name another --out, or "
            "allow it: --overwrite."
        )
        return False
    if others or len(found) < row.settings.batch:
        return True
    outcome.kept += len(found)
    return False


def _read_digest(picture: Path) -> str:
    """Of the row that a picture was drawn for; "" for any other file."""
    try:
        with Image.open(picture) as image:
            return str(parse_json(image.info[PNG_KEY])[ROW])
    except (OSError, KeyError, ValueError, TypeError):
        return ""


def _draw_rows(rows: list[Row], models: PortraitSettings, out: Path, at_once: int, watch: Watch, outcome: Outcome):
    device, dtype = choose_device(models)
    settings = replace(models, device=device, dtype=dtype)
    if settings.consistentid:
        adapter, settings = prepare_adapter(settings)
    else:
        adapter, settings = None, settings.settle(find_config(settings.base))
    # What reads people is let go before the pipeline is loaded.
    words = _read_people(rows, KeptPeople(settings, adapter, out / IDENTITIES), watch, outcome)
    open_rows = [row for row in rows if row.line not in outcome.problems]
    if open_rows:
        studio = Studio(settings, adapter, KeptPeople(settings, adapter, out / IDENTITIES), words)
        _draw_groups(studio, open_rows, out, max(1, at_once // settings.batch), watch, outcome)


def _draw_groups(studio: Studio, rows: list[Row], out: Path, together: int, watch: Watch, outcome: Outcome):
    """Rows that share the weights of the person, so many at once."""
    waiting: dict[Weights, list[Asked]] = defaultdict(list)
    start, done = time.perf_counter(), 0
    watch("Drawn", 0, len(rows))
    for row in rows:
        try:
            weights, asked = studio.prepare(row)
        except ConsistentIDError as error:
            outcome.problems[row.line] = str(error)
            continue
        waiting[weights].append(asked)
        if len(waiting[weights]) == together:
            done += _draw_group(studio, weights, waiting.pop(weights), out, outcome)
            watch("Drawn", done, len(rows))
    for weights, group in waiting.items():
        done += _draw_group(studio, weights, group, out, outcome)
        watch("Drawn", done, len(rows))
    outcome.seconds = time.perf_counter() - start


def _read_people(rows: list[Row], people: KeptPeople, watch: Watch, outcome: Outcome) -> dict[str, dict]:
    """{photo: words that are people}; each photo is read once, and its failure is one of all its rows."""
    photos = dict.fromkeys(row.settings.face for row in rows if row.settings.face)
    words: dict[str, dict[str, TextIdentity]] = {}
    failed: dict[str, str] = {}
    watch("People read", 0, len(photos))
    for number, photo in enumerate(photos, 1):
        try:
            words[photo] = people.read(photo)
        except (CheckpointError, MissingPackageError):  # of the models, not of this photo
            raise
        except ConsistentIDError as error:
            failed[photo] = str(error)
        watch("People read", number, len(photos))
    outcome.problems |= {row.line: failed[row.settings.face] for row in rows if row.settings.face in failed}
    return words


def _draw_group(studio: Studio, weights: Weights, group: Sequence[Asked], out: Path, outcome: Outcome) -> int:
    """Draw and write; returns the number of rows. A group that is too large for the device is drawn in halves."""
    try:
        images = studio.draw(weights, group)
    except torch.OutOfMemoryError as error:
        half = len(group) // 2
        if half:
            return sum(_draw_group(studio, weights, part, out, outcome) for part in (group[:half], group[half:]))
        raise ConsistentIDError(
            f"One picture of {studio.settings.width} x {studio.settings.height} is too large for the memory of "
            f"{studio.settings.device} ({error}). Try --offload, --dtype float16 or a smaller size."
        ) from error
    except ConsistentIDError as error:
        outcome.problems |= {asked.row.line: str(error) for asked in group}
        return len(group)
    left = iter(images)
    for asked in group:
        record = make_record(asked.settings, **{ROW: asked.row.digest})
        for path, image in zip(asked.row.list_pictures(out), left, strict=False):
            with replace_file(path) as part:
                image.save(part, format="PNG", pnginfo=record)
            outcome.drawn += 1
    return len(group)


def _write_table(rows: Sequence[Row], out: Path, outcome: Outcome) -> None:
    """portraits.csv: the line of each row in the plan, its first picture if there is one, and what went wrong."""
    with replace_file(out / TABLE) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("line", "picture", "problem"))
        for row in rows:
            problem = outcome.problems.get(row.line, "")
            picture = row.list_pictures(out)[0]
            is_there = not problem and picture.exists()
            table.writerow((row.line, picture.name if is_there else "", problem))
