"""Who is drawn: everything that stays the same from picture to picture."""

import zlib
from dataclasses import dataclass

from .drawing.seeded_random import SeededRandom
from .palette import EYE, LIPS, SKIN

FACE_SHAPES = ("oval", "round", "square", "heart-shaped", "long")
EYE_SHAPES = ("round", "almond-shaped", "narrow", "droopy", "upturned")
NOSE_SHAPES = ("button", "straight", "broad", "pointed", "long")
BROW_SHAPES = ("straight", "arched", "bushy", "thin", "slanted")
EAR_SIZES = ("small", "large", "protruding")
MOUTH_SHAPES = ("wide", "full", "thin", "small")
WOMENS_HAIR = {
    "short swept": 1,
    "short curly": 1,
    "afro": 1.2,
    "bob": 1.4,
    "fringed bob": 1.4,
    "long straight": 1.4,
    "long wavy": 1.6,
    "long fringed": 1,
    "bun": 1.2,
    "ponytail": 1,
    "pigtails": 1,
    "curly shoulder-length": 1.2,
}
MENS_HAIR = {
    "bald": 1,
    "buzz-cut": 1,
    "short swept": 1.5,
    "quiff": 1.5,
    "spiky": 1.2,
    "short curly": 1.5,
    "afro": 1,
    "mohawk": 0.5,
    "long straight": 0.6,
    "bun": 0.5,
    "curly shoulder-length": 0.5,
}
HAIR_COLOURS = {
    "black": 2,
    "dark brown": 1.6,
    "brown": 1.5,
    "auburn": 1,
    "red": 1.3,
    "blond": 1.6,
    "platinum": 0.6,
    "pink": 0.5,
    "blue": 0.5,
    "teal": 0.5,
    "purple": 0.5,
}
OLD_HAIR_COLOURS = {"grey": 1, "white": 1}
BEARDS = {"none": 3, "stubble": 1, "moustache": 1, "goatee": 0.8, "full beard": 1.4}
GLASSES = {"none": 3, "round": 1, "square": 1}
MARKS = {"none": 3, "freckles": 1.2, "mole": 0.7, "rosy cheeks": 1}
HELD_OUT_SHARE = 8


@dataclass(frozen=True)
class Person:
    """Names are keys of `palette` and of the tables above; the numbers are factors around 1 unless told.

    part: the side the hair is parted on, -1 or 1. eye_tilt: added height of the outer corners, head units.
    texture: seed of strands, curls and freckles.
    """

    kind: str
    age: str
    skin: str
    face_shape: str
    face_width: float
    face_length: float
    ears: str
    earrings: bool
    eye_shape: str
    eye_colour: str
    eye_size: float
    eye_spacing: float
    eye_tilt: float
    brows: str
    brow_height: float
    nose: str
    nose_width: float
    nose_length: float
    mouth: str
    mouth_width: float
    lips: str
    hair: str
    hair_colour: str
    hair_volume: float
    part: int
    beard: str
    glasses: str
    mark: str
    texture: int


def sample_person(seed: int, held_out: bool = False) -> Person:
    """The person of a seed. Held-out people differ from all others in at least one named feature.

    One combination of hair, hair colour, face, eyes, nose and skin in eight is held out, so each single value still
    occurs among the people to train on.
    """
    rng = SeededRandom(1, seed)
    while is_held_out(person := _draw_any(rng)) != held_out:
        pass
    return person


def is_held_out(person: Person) -> bool:
    named = (person.hair, person.hair_colour, person.face_shape, person.eye_colour, person.nose, person.skin)
    return zlib.crc32("/".join(named).encode()) % HELD_OUT_SHARE == 0


def _draw_any(rng: SeededRandom) -> Person:
    kind = rng.choose(("woman", "man"))
    age = rng.choose({"young": 5, "old": 1})
    woman = kind == "woman"
    return Person(
        kind=kind,
        age=age,
        skin=rng.choose(tuple(SKIN)),
        face_shape=rng.choose(FACE_SHAPES),
        face_width=rng.uniform(0.94, 1.07),
        face_length=rng.uniform(0.95, 1.06),
        ears=rng.choose(EAR_SIZES),
        earrings=woman and rng.chance(0.4),
        eye_shape=rng.choose(EYE_SHAPES),
        eye_colour=rng.choose(tuple(EYE)),
        eye_size=rng.uniform(0.9, 1.14),
        eye_spacing=rng.uniform(0.94, 1.08),
        eye_tilt=rng.uniform(-0.02, 0.02),
        brows=rng.choose(BROW_SHAPES),
        brow_height=rng.uniform(0.85, 1.2),
        nose=rng.choose(NOSE_SHAPES),
        nose_width=rng.uniform(0.88, 1.15),
        nose_length=rng.uniform(0.9, 1.1),
        mouth=rng.choose(MOUTH_SHAPES),
        mouth_width=rng.uniform(0.92, 1.1),
        lips=rng.choose(tuple(LIPS) if woman else ("natural", "pale")),
        hair=rng.choose(WOMENS_HAIR if woman else MENS_HAIR),
        hair_colour=rng.choose(HAIR_COLOURS if age == "young" else OLD_HAIR_COLOURS),
        hair_volume=rng.uniform(0.8, 1.25),
        part=rng.choose((-1, 1)),
        beard="none" if woman else rng.choose(BEARDS),
        glasses=rng.choose(GLASSES),
        mark=rng.choose(MARKS),
        texture=int(rng.uniform(0, 1 << 30)),
    )
