"""What is told of a picture: whose face it is, which traits it shows, and whether they were asked for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consistentid.face.package import load_face_analysis
from consistentid.likeness.faces import measure_reference, score_picture
from zoo.drawn_faces import Person, Scene

from .judge import Judge
from .traits import HIDDEN, PERSON_TRAITS, SCENE_TRAITS, TRAITS, read_traits

PROMPTED = ("kind", "age")
"""Traits of the person that the prompt tells."""
REGIONS = tuple(dict.fromkeys(trait.regions[0] for trait in PERSON_TRAITS))


SCORES = ("likeness", *REGIONS, "prompt")


@dataclass(frozen=True)
class Verdict:
    """What is told of the picture of one case. scores, by the names in SCORES: "likeness", the cosine to the person's
    other photos, 0 without a face; the word of a region, the share of the traits in it that are the person's, if it
    shows any; "prompt", the share of what the prompt says or, as of a hat or a mood, leaves out."""

    case: str
    person: str
    scores: dict[str, float]

    def minus(self, other: "Verdict") -> "Verdict":
        """The differences in what both have."""
        shared = self.scores.keys() & other.scores.keys()
        return Verdict(self.case, self.person, {name: self.scores[name] - other.scores[name] for name in shared})


class Jury:
    """The independent recogniser and the judge; `learn` comes before `tell`."""

    def __init__(self, recognisers: Path, judge: Judge):
        self.analysis, self.judge = load_face_analysis(recognisers), judge
        self.references = {}

    def learn(self, person: str, photos: list[np.ndarray]) -> None:
        self.references[person] = measure_reference(self.analysis, photos)

    def tell(self, case: str, person: str, who: Person, where: Scene, picture: np.ndarray) -> Verdict:
        """picture: RGB uint8 [128, 128, 3]. who and where: whom it is to show, in which scene."""
        score = score_picture(self.analysis, self.references[person], picture)
        told = [scores[0].argmax() for scores in self.judge.judge(picture[None]).values()]
        right = {
            trait: float(answer == wanted)
            for trait, answer, wanted in zip(TRAITS, told, read_traits(who, where), strict=True)
            if wanted != HIDDEN
        }
        kept = {trait: value for trait, value in right.items() if trait in PERSON_TRAITS and trait.name not in PROMPTED}
        regions = {word: [value for trait, value in kept.items() if trait.regions[0] == word] for word in REGIONS}
        asked = [value for trait, value in right.items() if trait in SCENE_TRAITS or trait.name in PROMPTED]
        return Verdict(
            case,
            person,
            {"likeness": 0.0 if score.cosine is None else score.cosine}
            | {word: float(np.mean(values)) for word, values in regions.items() if values}
            | {"prompt": float(np.mean(asked))},
        )
