"""A plan of portraits drawn: models are loaded once, several pictures go through the UNet together, what is there
already is kept, and a row that fails does not stop the others."""

import csv
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ..checked import parse_json
from ..errors import ConsistentIDError
from ..whole_file import replace_file
from .hands import Hands
from .plan import Row
from .portrait_files import make_record
from .portrait_settings import PNG_KEY, PortraitSettings
from .studio import Asked, Group, Weights, Words, ask, weigh

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
    choose_hands: Callable[[PortraitSettings, Path], Hands] = Hands,
) -> Outcome:
    """Draw the pictures of all rows that `out` has not; the folder is there and belongs to this run.

    models: what rows share, with the path of every model. at_once: pictures that go through the UNet together; other
    numbers change pictures by rounding only. overwrite: write over pictures that were drawn otherwise. The table
    portraits.csv says of each row what became of it. choose_hands(models, folder of identities): who reads and
    draws; by default this process. ConsistentIDError for models that cannot be used.
    """
    outcome = Outcome(problems={row.line: row.problem for row in rows if row.problem})
    files = (file for settings in (models, *(row.settings for row in rows)) for file in settings.list_files())
    sources = {Path(file).resolve() for file in files if file}
    try:
        open_rows = [row for row in rows if not row.problem and _is_open(row, out, sources, overwrite, outcome)]
        if open_rows:
            _draw_rows(open_rows, choose_hands(models, out / IDENTITIES), out, at_once, watch, outcome)
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


def _draw_rows(rows: list[Row], hands: Hands, out: Path, at_once: int, watch: Watch, outcome: Outcome):
    words = _read_people(rows, hands, watch, outcome)
    groups = list(_make_groups(rows, hands, at_once, outcome))
    pictures = hands.draw(groups, words) if groups else ()
    start, done, total = time.perf_counter(), 0, sum(len(group.asked) for group in groups)
    watch("Drawn", 0, total)
    for group, drawn in pictures:
        for asked, images in zip(group.asked, drawn, strict=True):
            if isinstance(images, str):
                outcome.problems[asked.row.line] = images
            else:
                outcome.drawn += _keep(asked, images, out)
        done += len(group.asked)
        watch("Drawn", done, total)
    outcome.seconds = time.perf_counter() - start


def _read_people(rows: list[Row], hands: Hands, watch: Watch, outcome: Outcome) -> Words:
    """{photo: words that are people}; each photo is read once, and its failure is one of all its rows."""
    photos = list(dict.fromkeys(row.settings.face for row in rows if row.settings.face))
    words: Words = {}
    failed: dict[str, str] = {}
    watch("People read", 0, len(photos))
    for number, (photo, found) in enumerate(hands.read(photos), 1):
        if isinstance(found, str):
            failed[photo] = found
        else:
            words[photo] = found
        watch("People read", number, len(photos))
    outcome.problems |= {row.line: failed[row.settings.face] for row in rows if row.settings.face in failed}
    return words


def _make_groups(rows: list[Row], hands: Hands, at_once: int, outcome: Outcome) -> Iterator[Group]:
    """Rows that share the weights of the person, so many at once."""
    waiting: dict[Weights, list[Asked]] = defaultdict(list)
    together = max(1, at_once // hands.settings.batch)
    for row in rows:
        if row.line in outcome.problems:
            continue
        try:
            asked = ask(row, hands.settings)
            weights = weigh(hands.people.load(asked.settings), asked.settings)
        except ConsistentIDError as error:
            outcome.problems[row.line] = str(error)
            continue
        waiting[weights].append(asked)
        if len(waiting[weights]) == together:
            yield Group(weights, tuple(waiting.pop(weights)))
    for weights, group in waiting.items():
        yield Group(weights, tuple(group))


def _keep(asked: Asked, images: Sequence[Image.Image], out: Path) -> int:
    """Write the pictures of a row; returns their number."""
    record = make_record(asked.settings, **{ROW: asked.row.digest})
    for path, image in zip(asked.row.list_pictures(out), images, strict=True):
        with replace_file(path) as part:
            image.save(part, format="PNG", pnginfo=record)
    return len(images)


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
