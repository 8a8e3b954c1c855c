"""Every metric of every picture, by whatever models were given."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConsistentIDError, FaceNotFoundError
from ..face.package import load_face_analysis
from ..face.parsing import load_face_parser
from ..face.photo import open_photo
from ..fingerprint import describe_file
from ..likeness.copying import Look, measure_copying, read_look
from ..likeness.dino import Dino, load_dino
from ..likeness.faces import Reference, Score, find_largest, measure_reference, score_picture
from ..likeness.regions import RegionScore, average_features, compare_features, read_features
from .clip import Clip, load_clip
from .index import combine_scores
from .metrics import CLIPS, NEEDS, RECOGNISERS
from .plan import Plan

Parse = Callable[[np.ndarray], np.ndarray]
"""An RGB photo [H, W, 3] -> its label map."""


@dataclass(frozen=True)
class ScoringModels:
    """Paths, "" for a model that is not there. device: of all but InsightFace, which chooses its own."""

    clip: str = ""
    dino: str = ""
    face_package: str = ""
    second_package: str = ""
    face_parser: str = ""
    inception: str = ""
    device: str = "cpu"
    second_clip: str = ""
    third_package: str = ""

    def check(self) -> None:
        """ConsistentIDError for a path that is not there."""
        for name, path in asdict(self).items():
            if name != "device" and path and not Path(path).exists():
                raise ConsistentIDError(f"--{name.replace('_', '-')}: there is no {path}.")

    def explain_missing(self) -> dict[str, str]:
        """{metric: why it is not measured}"""
        given = {name for name, path in asdict(self).items() if path}
        return {metric: reason for metric, needs in NEEDS.items() if (reason := needs.explain_missing(given))}

    def describe(self) -> dict:
        """{name: file and hash} of the models that are there."""
        return {name: describe_file(path) for name, path in asdict(self).items() if path and name != "device"}


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
    """Loads the models when they are first needed; `learn` comes before `score`."""

    def __init__(self, models: ScoringModels):
        self.models = models
        self.people: dict[str, Known] = {}
        self._texts: dict[tuple[str, str], np.ndarray] = {}

    @cached_property
    def clips(self) -> dict[str, Clip]:
        paths = {end: getattr(self.models, name) for end, name in CLIPS.items()}
        return {end: self._place(load_clip, path) for end, path in paths.items() if path}

    @cached_property
    def dino(self) -> Dino | None:
        return self._place(load_dino, self.models.dino)

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
        for name, paths in plan.people.items():
            try:
                self.people[name] = self._learn([open_photo(path) for path in paths])
            except FaceNotFoundError as error:
                raise FaceNotFoundError(f"The photos of '{name}' cannot be compared with. {error}") from error

    def list_recognisers(self) -> dict[str, str]:
        """{metric: file name of the recogniser that made it} of those that learnt somebody."""
        return {name: face.recogniser for known in self.people.values() for name, face in known.faces.items()}

    def score(self, person: str, prompt: str, picture: np.ndarray) -> dict:
        """{metric: value} of an RGB picture [H, W, 3], only of what was measured.

        None: no face, or no region of one. "regions": {word: cosine}.
        """
        known, scores = self.people[person], {}
        for end, clip in self.clips.items():
            features = clip.encode_pictures([picture])[0]
            if (end, prompt) not in self._texts:
                self._texts[end, prompt] = clip.encode_texts([prompt])[0]
            scores[f"clip_t{end}"] = float(features @ self._texts[end, prompt])
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


def _measure_copies(looks: Sequence[Look], picture: np.ndarray, score: Score) -> dict[str, float | None]:
    """None for a picture without a face; nothing of a person with one photo."""
    if not looks:
        return {}
    if score.face is None:
        return {"copy_identity": None}
    found = measure_copying(read_look(picture, score.face), looks[0], looks[1:])
    return {f"copy_{part}": value for part, value in found.items()}
