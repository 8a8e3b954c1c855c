"""Scores by processes of Ray, here or on many machines, each with the models that measure loaded once."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConsistentIDError
from ..face.photo import open_photo
from ..ray_session import Cluster, make_column, map_rows, ray_session
from .plan import Case, Plan
from .scoring import Known, Scorer
from .scoring_models import ScoringModels

AT_ONCE = 16
"""Most pictures that a process has to score again when it dies."""
Asked = tuple[str, str, Sequence[Path]]
"""Person, prompt, files."""
SENT = 4096
"""Pictures sent before the first of them is waited for: what Ray holds. After each so many, models are loaded anew."""


@dataclass(frozen=True)
class Task:
    """Photos to learn a person from, or a picture of them to score. files: {name: bytes}."""

    person: str
    prompt: str
    files: dict[str, bytes]

    def open_photos(self) -> Iterator[np.ndarray]:
        return (open_photo(name, BytesIO(content)) for name, content in self.files.items())


class RayScorer(Scorer):
    """As Scorer, whose scores they are. Models are at the same paths on every machine; photos and pictures are sent."""

    def __init__(self, models: ScoringModels, cluster: Cluster):
        cluster.require_gpu(models.device)
        paths = {name: str(Path(path).resolve()) for name, path in asdict(models).items() if path and name != "device"}
        super().__init__(replace(models, **paths), cluster.workers)
        self.cluster = cluster

    def learn(self, plan: Plan) -> None:
        asked = [(name, "", photos) for name, photos in plan.people.items()]
        found = dict(self._map(asked, Learner, (self.models,), 1))
        self.people = {name: found[number] for number, name in enumerate(plan.people)}

    def score_all(self, pictures: Sequence[tuple[Case, Path]]) -> Generator[tuple[int, dict]]:
        asked = [(case.person, case.prompt, (file,)) for case, file in pictures]
        return self._map(asked, Judge, (self.models, self.people), AT_ONCE)

    def read_features(self, files: Sequence[Path]) -> list[np.ndarray]:
        asked = [("", "", (file,)) for file in files]
        found = dict(self._map(asked, FeatureReader, (self.models,), AT_ONCE))
        return [found[number] for number in range(len(files))]

    def _map(self, asked: Sequence[Asked], worker: type, given: tuple, at_once: int) -> Generator[tuple[int, Any]]:
        """(number of what was asked, what a process made of it); ConsistentIDError with the words of one that fails."""
        with ray_session(self.cluster) if asked else nullcontext() as ray:
            for first in range(0, len(asked), SENT):
                tasks = [
                    Task(person, prompt, _read_files(files)) for person, prompt, files in asked[first : first + SENT]
                ]
                rows = [{"number": number, "task": task} for number, task in enumerate(tasks, first)]
                for block in map_rows(ray, rows, worker, given, self.cluster, at_once):
                    for number, made in zip(block["number"], block["made"], strict=True):
                        if isinstance(made, str):
                            raise ConsistentIDError(made)
                        yield int(number), made


class Learner:
    """One process of Ray: photos -> what is known of the people."""

    def __init__(self, models: ScoringModels):
        torch.set_num_threads(1)
        self.scorer = Scorer(models)

    def __call__(self, rows: dict) -> dict:
        return {"number": rows["number"], "made": make_column([self._try(task) for task in rows["task"]])}

    def _try(self, task: Task) -> Known | dict | np.ndarray | str:
        try:
            return self.work(task)
        except ConsistentIDError as error:
            return str(error)

    def work(self, task: Task) -> Known | dict | np.ndarray:
        return self.scorer.learn_person(task.person, task.open_photos())


class Judge(Learner):
    """One process of Ray: pictures -> their scores."""

    def __init__(self, models: ScoringModels, people: dict[str, Known]):
        super().__init__(models)
        self.scorer.people = people

    def work(self, task: Task) -> dict:
        return self.scorer.score(task.person, task.prompt, *task.open_photos())


class FeatureReader(Learner):
    """One process of Ray: pictures -> Inception's features."""

    def work(self, task: Task) -> np.ndarray:
        return self.scorer.inception.read(*task.open_photos())


def _read_files(paths: Sequence[Path]) -> dict[str, bytes]:
    try:
        return {str(path): path.read_bytes() for path in paths}
    except OSError as error:
        raise ConsistentIDError(f"{error.filename} cannot be read ({error.strerror}).") from error
