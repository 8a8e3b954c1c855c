"""Scores on disk as they come, so that a run that was stopped goes on: scores.jsonl, a picture in each line."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import naming_file
from ..fingerprint import hash_path, hash_record
from ..whole_file import replace_file
from .gallery import list_versions
from .plan import Plan
from .scoring_models import ScoringModels

FILE = "scores.jsonl"


class Naming:
    """Names for scores: equal where picture, prompt, the person's photos, models, packages and machine are."""

    def __init__(self, plan: Plan, models: ScoringModels):
        self._how = hash_record([models.describe(), models.device, list_versions()])
        self._people = {name: [hash_path(photo) for photo in photos] for name, photos in plan.people.items()}

    def name(self, person: str, prompt: str, picture: Path) -> str:
        return hash_record([self._how, self._people[person], prompt, hash_path(picture)])


class KeptScores:
    """scores: {name: scores} of these names, by this run and those before; others are forgotten."""

    def __init__(self, folder: Path, names: Collection[str]):
        self.path = folder / FILE
        self.scores = {}
        if self.path.exists():
            self.scores = {name: scores for name, scores in _read_lines(self.path) if name in names}
            with replace_file(self.path) as part:  # without the half line that a killed run may have left
                part.write_text("".join(_write_line(*line) for line in self.scores.items()), encoding="utf-8")

    def add(self, name: str, scores: dict) -> None:
        with naming_file(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_write_line(name, scores))
        self.scores[name] = scores


def _write_line(name: str, scores: dict) -> str:
    return f"{json.dumps([name, scores])}\n"


def _read_lines(path: Path) -> Iterator[tuple[str, dict]]:
    """The lines that are whole."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            name, scores = json.loads(line)
        except (ValueError, TypeError):
            continue
        if isinstance(name, str) and isinstance(scores, dict):
            yield name, scores
