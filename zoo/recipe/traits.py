"""What can be told of a drawn picture, as classes with names; what a network names of it; and how often it is right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.drawn_faces import Person, Scene
from zoo.drawn_faces import person as people
from zoo.drawn_faces import scene as scenes
from zoo.drawn_faces.hair.styles import find_shapes
from zoo.drawn_faces.palette import EYE, FABRIC, LIPS, SKIN
from zoo.drawn_faces.words import PLAIN_HATS, TURNED, name_eye_size

from .pictures import Mixture, Pictures

HIDDEN = -1
"""Target of a trait that a picture does not show."""
COLOURED_HATS = scenes.HATS.keys() - {"none", *PLAIN_HATS}
HAIR_STYLES = tuple(dict.fromkeys([*people.WOMENS_HAIR, *people.MENS_HAIR]))
HAIR_COLOURS = (*people.HAIR_COLOURS, *people.OLD_HAIR_COLOURS)


@dataclass(frozen=True)
class Trait:
    """classes: names in the order of targets. regions: words of the facial regions that show it, its own one first;
    none for hats, clothes and what is behind. read: its class from the truth, None where it is not in the picture.
    """

    name: str
    classes: tuple[str, ...]
    regions: tuple[str, ...]
    read: Callable[[Person, Scene], str | None]


def _read_ears(person: Person, scene: Scene) -> str | None:
    covered = find_shapes(person.hair, person.hair_volume, person.part).covered
    return None if len(covered) == 2 else person.ears


def _read_eye_size(person: Person, scene: Scene) -> str:
    return name_eye_size(person) or "usual"


def _read_turn(person: Person, scene: Scene) -> str:
    return "ahead" if abs(scene.yaw) <= TURNED else "right" if scene.yaw > 0 else "left"


PERSON_TRAITS = (
    Trait("kind", ("woman", "man"), ("face",), lambda person, scene: person.kind),
    Trait("age", ("young", "old"), ("face",), lambda person, scene: person.age),
    Trait("skin", tuple(SKIN), ("face", "ears", "nose"), lambda person, scene: person.skin),
    Trait("face shape", people.FACE_SHAPES, ("face",), lambda person, scene: person.face_shape),
    Trait("beard", tuple(people.BEARDS), ("face",), lambda person, scene: person.beard),
    Trait("glasses", tuple(people.GLASSES), ("face",), lambda person, scene: person.glasses),
    Trait("mark", tuple(people.MARKS), ("face",), lambda person, scene: person.mark),
    Trait("ears", people.EAR_SIZES, ("ears",), _read_ears),
    Trait("eye colour", tuple(EYE), ("eyes", "face"), lambda person, scene: person.eye_colour),
    Trait("eye shape", people.EYE_SHAPES, ("eyes", "face"), lambda person, scene: person.eye_shape),
    Trait("eye size", ("small", "usual", "large"), ("eyes", "face"), _read_eye_size),
    Trait("nose", people.NOSE_SHAPES, ("nose", "face"), lambda person, scene: person.nose),
    Trait("mouth", people.MOUTH_SHAPES, ("mouth", "face"), lambda person, scene: person.mouth),
    Trait("lips", tuple(LIPS), ("mouth", "face"), lambda person, scene: person.lips),
    Trait("brows", people.BROW_SHAPES, ("eyebrows",), lambda person, scene: person.brows),
    Trait("hair", HAIR_STYLES, ("hair",), lambda person, scene: person.hair if scene.hat == "none" else None),
    Trait(
        "hair colour",
        HAIR_COLOURS,
        ("hair", "eyebrows"),
        lambda person, scene: None if person.hair == "bald" else person.hair_colour,
    ),
)
SCENE_TRAITS = (
    Trait("expression", tuple(scenes.EXPRESSIONS), ("face", "mouth"), lambda person, scene: scene.expression),
    Trait("turn", ("left", "ahead", "right"), ("face",), _read_turn),
    Trait("light", tuple(scenes.LIGHTS), (), lambda person, scene: scene.light),
    Trait("clothes", scenes.CLOTHES, (), lambda person, scene: scene.clothes),
    Trait("clothes colour", tuple(FABRIC), (), lambda person, scene: scene.clothes_colour),
    Trait("hat", tuple(scenes.HATS), (), lambda person, scene: scene.hat),
    Trait(
        "hat colour", tuple(FABRIC), (), lambda person, scene: scene.hat_colour if scene.hat in COLOURED_HATS else None
    ),
    Trait("background", tuple(scenes.BACKGROUNDS), (), lambda person, scene: scene.background),
    Trait(
        "backdrop colour",
        scenes.BACKDROPS,
        (),
        lambda person, scene: scene.backdrop_colour if scene.background == "studio" else None,
    ),
)
TRAITS = (*PERSON_TRAITS, *SCENE_TRAITS)
UNRENDERED = ("clothes", "background", "backdrop colour")
"""What zoo.rendered_heads does not show."""


def read_traits(person: Person, scene: Scene) -> np.ndarray:
    """The class of every trait, int64 [len(TRAITS)]; HIDDEN where the picture does not show it."""
    names = [trait.read(person, scene) for trait in TRAITS]
    return np.array(
        [HIDDEN if name is None else trait.classes.index(name) for trait, name in zip(TRAITS, names, strict=True)]
    )


def read_all_traits(pictures: Pictures | Mixture) -> np.ndarray:
    """The traits of all rows, int64 [N, len(TRAITS)]."""
    unseen = [trait.name in UNRENDERED for trait in TRAITS]
    targets = np.stack([read_traits(*pictures.name(row)) for row in range(len(pictures))])
    rendered = np.array([pictures.is_rendered(row) for row in range(len(pictures))])
    return np.where(rendered[:, None] & unseen, HIDDEN, targets)


def keep_shown(targets: np.ndarray, word: str) -> np.ndarray:
    """Targets [..., len(TRAITS)] of a picture of one region: HIDDEN is what it does not show."""
    return np.where([word in trait.regions for trait in TRAITS], targets, HIDDEN)


class TraitHead(nn.Module):
    """Names every trait from tokens [N, L, width]: each looks where it likes, and is told linearly from what it saw."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.look = nn.Linear(width, len(TRAITS))
        self.tell = nn.ModuleList(nn.Linear(width, len(trait.classes)) for trait in TRAITS)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Logits [N, classes] of each trait."""
        tokens = self.norm(tokens)
        seen = self.look(tokens).softmax(dim=1).transpose(1, 2) @ tokens
        return [tell(seen[:, index]) for index, tell in enumerate(self.tell)]


def measure_trait_loss(logits: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Mean cross entropy of the traits shown, where each picture that shows any counts the same.

    targets [N, len(TRAITS)].
    """
    losses = torch.stack(
        [
            F.cross_entropy(told.float(), wanted, ignore_index=HIDDEN, reduction="none")
            for told, wanted in zip(logits, targets.unbind(1), strict=True)
        ]
    )
    shown = (targets != HIDDEN).sum(dim=1)
    return (losses.sum(dim=0) / shown.clamp(min=1)).sum() / (shown > 0).sum().clamp(min=1)


def measure_accuracy(told: Sequence[np.ndarray], targets: np.ndarray) -> dict[str, float]:
    """The share of right answers by trait, of the pictures that show it; told: scores [N, classes] of each trait."""
    accuracy = {}
    for trait, scores, wanted in zip(TRAITS, told, targets.T, strict=True):
        shown = wanted != HIDDEN
        if shown.any():
            accuracy[trait.name] = float((scores.argmax(axis=1)[shown] == wanted[shown]).mean())
    return accuracy
