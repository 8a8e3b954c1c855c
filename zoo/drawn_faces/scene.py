"""What changes from picture to picture: pose, expression, light, clothes, hat, background."""

from dataclasses import dataclass

from .drawing.seeded_random import SeededRandom
from .palette import FABRIC

EXPRESSIONS = {"calm": 2, "smiling": 3, "laughing": 2, "surprised": 1, "sad": 0.7, "angry": 0.6}
LIGHTS = {"daylight": 3, "warm": 1, "cool": 1, "evening": 0.8}
CLOTHES = ("t-shirt", "striped shirt", "shirt", "hoodie", "jumper", "suit", "scarf", "dungarees")
HATS = {"none": 7, "beanie": 1, "cap": 1, "top hat": 0.7, "straw hat": 0.8, "party hat": 0.7, "crown": 0.7}
BACKGROUNDS = {
    "studio": 2,
    "beach": 1,
    "mountains": 1,
    "forest": 1,
    "city at night": 1,
    "library": 1,
    "garden": 1,
    "snow": 1,
    "space": 1,
    "sunset": 1,
}
HELD_OUT_SCENES = 1 << 40
"""First seed of the scenes of people that are kept out of training."""
BACKDROPS = ("blue", "teal", "pink", "yellow", "orange", "purple", "green", "grey")
YAW_LIMIT, PITCH_LIMIT, ROLL_LIMIT = 26.0, 12.0, 12.0


@dataclass(frozen=True)
class Scene:
    """Names are keys of the tables above and of palette.FABRIC; angles in degrees, see Pose.

    gaze: where the eyes look, (x, y), -1..1. light_side: where the light comes from, -1 left to 1 right.
    size: height of the head, chin to skull, as a share of the picture. centre: (x, y) of the eyes' middle, 0..1.
    texture: seed of the background.
    """

    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    expression: str
    light: str
    light_side: float
    clothes: str
    clothes_colour: str
    hat: str
    hat_colour: str
    background: str
    backdrop_colour: str
    size: float
    centre: tuple[float, float]
    texture: int


def sample_scene(seed: int) -> Scene:
    """The scene of a seed."""
    rng = SeededRandom(2, seed)
    return Scene(
        yaw=_bell(rng, YAW_LIMIT),
        pitch=_bell(rng, PITCH_LIMIT),
        roll=_bell(rng, ROLL_LIMIT),
        gaze=(_bell(rng, 1.0), _bell(rng, 0.7)),
        expression=rng.choose(EXPRESSIONS),
        light=rng.choose(LIGHTS),
        light_side=rng.choose((-1, 1)) * rng.uniform(0.35, 1.0),
        clothes=rng.choose(CLOTHES),
        clothes_colour=rng.choose(tuple(FABRIC)),
        hat=rng.choose(HATS),
        hat_colour=rng.choose(tuple(FABRIC)),
        background=rng.choose(BACKGROUNDS),
        backdrop_colour=rng.choose(BACKDROPS),
        size=rng.uniform(0.50, 0.57),
        centre=(rng.uniform(0.47, 0.53), rng.uniform(0.47, 0.52)),
        texture=int(rng.uniform(0, 1 << 30)),
    )


def choose_scene(person: int, scenes: int, number: int, held_out: bool = False) -> Scene:
    """Scene `number` of a person's `scenes`; no two people of one set share one, and held-out people have others."""
    return sample_scene(person * scenes + number + held_out * HELD_OUT_SCENES)


def _bell(rng: SeededRandom, limit: float) -> float:
    return (rng.uniform(-limit, limit) + rng.uniform(-limit, limit)) / 2
