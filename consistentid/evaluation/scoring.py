"""Every metric of every picture, by whatever models were given."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConsistentIDError, FaceNotFoundError
from ..face.package import load_face_analysis
from ..face.parsing import load_face_parser
from ..face.photo import open_photo
from ..likeness.copying import Look, measure_copying, read_look
from ..likeness.dino import Dino, load_dino
from ..likeness.faces import Reference, Score, find_largest, measure_reference, score_picture
from ..likeness.regions import RegionScore, average_features, compare_features, read_features
from .clip import Clip, load_clip
from .frechet import Inception, load_inception
from .index import combine_scores
from .metrics import CLIPS, RECOGNISERS
from .plan import Case, Plan
from .scoring_models import ScoringModels

Parse = Callable[[np.ndarray], np.ndarray]
"""An RGB photo [H, W, 3] -> its label map."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a person: features of the photos, for each model that is there. looks: of the photo drawn from,
    and of the others that show a face; empty where that is fewer than two."""

    clips: dict[str, np.ndarray]
    dino: np.ndarray | None
    faces: dict[str, Reference]
    regions: dict[str, np.ndarray] | None
    baselines: dict[str, float | None]
    looks: Sequence[Look] = ()


class Scorer:
    """Loads the models when they are first needed; `learn` comes before `score`. workers: pictures at once."""

    def __init__(self, models: ScoringModels, workers: int = 1):
        self.models, self.workers = models, workers
        self.people: dict[str, Known] = {}
        self._texts: dict[str, dict[str, np.ndarray]] = {}

    @cached_property
    def clips(self) -> dict[str, Clip]:
        paths = {end: getattr(self.models, name) for end, name in CLIPS.items()}
        return {end: self._place(load_clip, path) for end, path in paths.items() if path}

    @cached_property
    def dino(self) -> Dino | None:
        return self._place(load_dino, self.models.dino)

    @cached_property
    def inception(self) -> Inception:
        return self._place(load_inception, self.models.inception)

    @cached_property
    def analyses(self) -> dict:
        paths = {metric: getattr(self.models, name) for metric, name in RECOGNISERS.items()}
        return {metric: load_face_analysis(path) for metric, path in paths.items() if path}

    @cached_property
    def copy_judge(self) -> str:
        """The metric whose recogniser tells copies: one that did not condition the pictures, where there is one."""
        return next((metric for metric in reversed([*self.analyses]) if metric != "face_sim"), "face_sim")

    @cached_property
    def parse(self) -> Parse | None:
        if not (self.models.face_parser and self.dino):
            return None
        return load_face_parser(self.models.face_parser).to(self.models.device).parse

    def learn(self, plan: Plan) -> None:
        """Read everybody's photos. FaceNotFoundError names a person of whom there is no face."""
        self._load()
        with _on_one_core(), ThreadPoolExecutor(self.workers) as pool:
            photos = [map(open_photo, paths) for paths in plan.people.values()]
            self.people = dict(zip(plan.people, pool.map(self.learn_person, plan.people, photos), strict=True))

    def learn_person(self, name: str, photos: Iterable[np.ndarray]) -> Known:
        """Of RGB photos [H, W, 3]; FaceNotFoundError names the person where none shows a face."""
        try:
            return self._learn([*photos])
        except FaceNotFoundError as error:
            raise FaceNotFoundError(f"The photos of '{name}' cannot be compared with. {error}") from error

    def score_all(self, pictures: Sequence[tuple[Case, Path]]) -> Generator[tuple[int, dict]]:
        """(number of a picture, its scores) as soon as they are there, in any order; the same for any `workers`."""
        for case, _ in pictures:
            self._encode_prompt(case.prompt)  # transformers' tokenizers do not bear several threads
        with _on_one_core(), ThreadPoolExecutor(self.workers) as pool:
            tasks = {pool.submit(self._score_file, *picture): number for number, picture in enumerate(pictures)}
            try:
                yield from ((tasks[task], task.result()) for task in as_completed(tasks))
            finally:
                pool.shutdown(cancel_futures=True)

    def read_features(self, files: Sequence[Path]) -> list[np.ndarray]:
        """Inception's of each picture, [D], for FID."""
        _ = self.inception  # before threads ask for it
        with _on_one_core(), ThreadPoolExecutor(self.workers) as pool:
            return [*pool.map(lambda file: self.inception.read(open_photo(file)), files)]

    def list_recognisers(self) -> dict[str, str]:
        """{metric: file name of the recogniser that made it} of those that learnt somebody."""
        return {name: face.recogniser for known in self.people.values() for name, face in known.faces.items()}

    def score(self, person: str, prompt: str, picture: np.ndarray) -> dict:
        """{metric: value} of an RGB picture [H, W, 3], only of what was measured.

        None: no face, or no region of one. "regions": {word: cosine}.
        """
        known, scores, texts = self.people[person], {}, self._encode_prompt(prompt)
        for end, clip in self.clips.items():
            features = clip.encode_pictures([picture])[0]
            scores[f"clip_t{end}"] = float(features @ texts[end])
            scores[f"clip_i{end}"] = float(np.mean(known.clips[end] @ features))
        if self.dino:
            scores["dino"] = float(np.mean(known.dino @ self.dino.encode([picture])[0]))
        for name, analysis in self.analyses.items():
            score = score_picture(analysis, known.faces[name], picture)
            scores[name] = score.cosine
            if name == self.copy_judge:
                scores |= _measure_copies(known.looks, picture, score)
        scores |= combine_scores(scores)
        if self.parse and known.regions is not None:
            found = self._read_regions(self.parse, picture, known.faces.get("face_sim"))
            compared = RegionScore(None, {}) if found is None else compare_features(known.regions, found)
            scores |= {"fgis": compared.cosine, "regions": compared.regions}
        for name in (name for name, score in scores.items() if isinstance(score, float) and not math.isfinite(score)):
            raise ConsistentIDError(f"{name} of a picture of '{person}' is {scores[name]}: its model may be damaged.")
        return scores

    def _score_file(self, case: Case, file: Path) -> dict:
        return self.score(case.person, case.prompt, open_photo(file))

    def _encode_prompt(self, prompt: str) -> dict[str, np.ndarray]:
        """Its features in each CLIP."""
        if prompt not in self._texts:
            self._texts[prompt] = {end: clip.encode_texts([prompt])[0] for end, clip in self.clips.items()}
        return self._texts[prompt]

    def _load(self) -> None:
        """All models, before threads ask for them at once."""
        _ = self.clips, self.analyses, self.parse, self.dino

    def _learn(self, photos: list[np.ndarray]) -> Known:
        faces = {name: measure_reference(analysis, photos) for name, analysis in self.analyses.items()}
        regions = None
        if self.parse:
            regions = average_features(
                [self._read_regions(self.parse, photo, faces.get("face_sim")) for photo in photos]
            )
        return Known(
            {end: clip.encode_pictures(photos) for end, clip in self.clips.items()},
            self.dino.encode(photos) if self.dino else None,
            faces,
            regions,
            {name: reference.baseline for name, reference in faces.items()},
            self._read_looks(photos) if len(photos) > 1 and self.analyses else (),
        )

    def _read_looks(self, photos: list[np.ndarray]) -> Sequence[Look]:
        found = [find_largest(self.analyses[self.copy_judge], photo) for photo in photos]
        looks = [read_look(photo, face) for photo, face in zip(photos, found, strict=True) if face]
        return looks if found[0] and len(looks) > 1 else ()

    def _read_regions(self, parse: Parse, photo: np.ndarray, reference: Reference | None):
        """With a face analysis, of the face most like the person; else of the whole picture."""
        analysis = self.analyses.get("face_sim")
        return read_features(photo, parse, self.dino, analysis, reference)

    def _place(self, load: Callable[[str], Any], path: str) -> Any:
        if not path:
            return None
        loaded = load(path)
        try:
            loaded.model.to(self.models.device)
        except (RuntimeError, AssertionError) as error:
            raise ConsistentIDError(f"The device '{self.models.device}' cannot be used here ({error}).") from error
        return loaded


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Each picture's networks on one core: cores are shared out by pictures, and their number changes no digit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure_copies(looks: Sequence[Look], picture: np.ndarray, score: Score) -> dict[str, float | None]:
    """None for a picture without a face; nothing of a person with one photo."""
    if not looks:
        return {}
    if score.face is None:
        return {"copy_identity": None}
    found = measure_copying(read_look(picture, score.face), looks[0], looks[1:])
    return {f"copy_{part}": value for part, value in found.items()}
