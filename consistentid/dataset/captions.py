"""The two captions of a record: what the photo shows, and what the face looks like."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ..adapter.config import SD15
from ..caption.describe import QUESTION, ask_about
from ..face.region_words import PUBLISHED_REGIONS
from .layout import KEYS, find_json, read_value
from .records import list_entries, make_record, write_json
from .run import has_captions

PHOTO_QUESTION = (
    "Please describe the people in the image, including their gender, age, clothing, facial expressions, and any other "
    "distinguishing features."
)
FIXED = {"caption": "A photo of a person.", "facial_caption": SD15.fixed_sentence}
QUESTIONS = {"caption": PHOTO_QUESTION, "facial_caption": QUESTION}


class Describer(Protocol):
    """caption.describe.Captioner, or anything that answers a question about an RGB photo [H, W, 3]."""

    def describe(self, photo: np.ndarray, question: str) -> str: ...


def caption_records(
    out: Path,
    captioner: Describer | None,
    watch: Callable[[int, int], None] = lambda done, total: None,
    words: Collection[str] = PUBLISHED_REGIONS,
) -> int:
    """Give each record of `out` the captions that it lacks; returns how many records changed.

    words: of the regions that the captioner is asked about. captioner None: the fixed sentences, for records of people
    nobody described. One record is written after the other, so a run that was stopped goes on where it was.
    """
    questions = QUESTIONS | {"facial_caption": ask_about(words)}
    open_ones = list(_list_open(out))
    watch(0, len(open_ones))
    for number, (name, entry) in enumerate(open_ones, 1):
        absent = [part for part in QUESTIONS if not read_value(entry, part)]
        if captioner:
            photo = make_record(out, name, entry).read_image()
            answers = {part: captioner.describe(photo, questions[part]) for part in absent}
        else:
            answers = {part: FIXED[part] for part in absent}
        write_json(find_json(out, name), entry | {KEYS[part][0]: text.strip() for part, text in answers.items()})
        watch(number, len(open_ones))
    return len(open_ones)


def _list_open(out: Path) -> Iterator[tuple[str, dict]]:
    return ((name, entry) for name, entry in list_entries(out) if not has_captions(entry))
