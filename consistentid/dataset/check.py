"""Whether every record of a training set can be trained on, what it is made of, and pictures of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from ..contact_sheet import draw_captioned_rows
from ..errors import ConsistentIDError
from ..face.preview import draw_labels
from ..face.region_words import ALL_WORDS, PUBLISHED_REGIONS, REGION_WORDS
from ..face.regions import Regions, select_by_word
from ..prompt.mark import mark_caption
from .record import TWICE, DatasetError, StoredRecord, find_twice

CELL_PX = 192
"""Nine cells, as a record with every region has, are as wide as a screen."""


@dataclass
class Findings:
    """Of a training set. problems: (record, why it cannot be trained on). regions: pictures that show a region;
    placed: those whose facial caption names it too. sizes: of the pictures, in pixels."""

    records: int = 0
    without_embedding: int = 0
    regions: Counter[str] = field(default_factory=Counter)
    placed: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> str:
        """A few lines for people."""
        lines = [f"Records: {self.records}; without an ID embedding: {self.without_embedding}."]
        lines += [f"{width}x{height} px: {count}" for (width, height), count in self.sizes.most_common()]
        lines += [f"{word}: seen in {self.regions[word]}, named too in {self.placed[word]}" for word in self.regions]
        lines += [f"{name}: {problem}" for name, problem in self.problems]
        return "\n".join([*lines, f"Records that cannot be used: {len(self.problems)}."])


def check_records(records: Sequence[StoredRecord]) -> Findings:
    """Open every file of every record."""
    findings = Findings(records=len(records))
    findings.problems += [(record.name, TWICE) for record in find_twice(records)]
    for record in records:
        try:
            _check_record(record, findings)
        except ConsistentIDError as error:
            findings.problems.append((record.name, str(error)))
    return findings


def draw_records(records: Sequence[StoredRecord]) -> Image.Image:
    """A row for each record, with its name and captions below; what one of them shows has the same place in all."""
    drawn = [dict(draw_record(record)) for record in records]
    shown = [title for title in ("photo", "labels", *ALL_WORDS) if any(title in pictures for pictures in drawn)]
    blank, rows = Image.new("RGB", (1, 1), "white"), []
    for record, pictures in zip(records, drawn, strict=True):
        cells = [(title, pictures[title]) if title in pictures else (f"no {title}", blank) for title in shown]
        rows.append((f"{record.name}: {record.caption} | {record.facial_caption}", cells))
    return draw_captioned_rows(rows, CELL_PX)


def draw_record(record: StoredRecord) -> list[tuple[str, Image.Image]]:
    """(title, picture) of the photo, its label map over it, and each of its regions."""
    image = record.read_image()
    labels = record.read_labels(*image.shape[:2])
    regions = Regions(image, select_by_word(labels, ALL_WORDS))
    pictures = [("photo", image), ("labels", draw_labels(image, labels))]
    pictures += [(REGION_WORDS[key], regions.isolate(key)) for key in regions.masks]
    return [(title, Image.fromarray(picture)) for title, picture in pictures]


def _check_record(record: StoredRecord, findings: Findings) -> None:
    image = record.read_image()
    masks = select_by_word(record.read_labels(*image.shape[:2]), ALL_WORDS)
    findings.sizes[image.shape[1], image.shape[0]] += 1
    findings.without_embedding += record.read_embedding() is None
    if not record.caption or not record.facial_caption:
        raise DatasetError("It lacks a caption. `dataset prepare` with --captioner or --fixed-captions adds it.")
    if not any(REGION_WORDS[key] in PUBLISHED_REGIONS for key in masks):
        raise DatasetError("Its label map shows no face, eyes, ears, nose or mouth.")
    findings.regions.update(REGION_WORDS[key] for key in masks)
    findings.placed.update(REGION_WORDS[key] for key in mark_caption(record.facial_caption, masks).regions)
