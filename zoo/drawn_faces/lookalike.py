"""Drawing somebody who looks like a photo, as far as the traits go that its reader names."""

from collections.abc import Mapping

import numpy as np

from .example import Example
from .person import MENS_HAIR, WOMENS_HAIR, Person
from .portrait import draw_portrait
from .scene import Scene
from .words import describe_person, write_scene_prompt

Chances = Mapping[str, Mapping[str, float]]
"""{trait: {class: probability}}, as consistentid.caption.traits.TraitReader tells them."""

RARE = 0.2
"""How common these are among people in photos, against the others; among drawn people all are about as common."""
RARE_LOOKS = {
    "hair colour": ("pink", "blue", "teal", "purple", "platinum"),
    "eye colour": ("violet", "amber"),
    "hair": ("afro", "mohawk", "pigtails", "spiky"),
}
RARE_ON_MEN = ("long straight", "bun", "curly shoulder-length")
EYE_SIZES = {"small": 0.92, "usual": 1.0, "large": 1.1}
STILL = Scene(
    yaw=0.0,
    pitch=0.0,
    roll=0.0,
    gaze=(0.0, 0.0),
    expression="calm",
    light="daylight",
    light_side=-0.7,
    clothes="t-shirt",
    clothes_colour="navy",
    hat="none",
    hat_colour="navy",
    background="studio",
    backdrop_colour="teal",
    size=0.53,
    centre=(0.5, 0.49),
    texture=0,
)


def choose_lookalike(chances: Chances) -> Person:
    """The drawn person with the likeliest traits; what no trait tells is as in most people."""
    told = {trait.replace(" ", "_"): choose(shares) for trait, shares in weigh(chances).items()}
    told["eye_size"] = EYE_SIZES[told["eye_size"]]
    return Person(
        **told,
        face_width=1.0,
        face_length=1.0,
        earrings=False,
        eye_spacing=1.0,
        eye_tilt=0.0,
        brow_height=1.0,
        nose_width=1.0,
        nose_length=1.0,
        mouth_width=1.0,
        hair_volume=1.0,
        part=1,
        texture=0,
    )


def draw_lookalike(person: Person, side_px: int) -> Example:
    """Looking ahead, before a wall."""
    image: np.ndarray = draw_portrait(person, STILL, side_px).image
    return Example(image, describe_person(person), write_scene_prompt(person, STILL))


def describe_chances(chances: Chances) -> str:
    """For people: what was told of each trait, and how surely.

    >>> describe_chances({"hair colour": {"brown": 0.8, "black": 0.2}, "age": {"young": 0.6, "old": 0.4}})
    'Told from the photo: hair colour brown (80%), age young (60%).'
    """
    told = [(trait, choose(shares), max(shares.values())) for trait, shares in chances.items()]
    return f"Told from the photo: {', '.join(f'{trait} {name} ({share:.0%})' for trait, name, share in told)}."


def weigh(chances: Chances) -> Chances:
    """Without what people of that kind do not wear, and less of what is rare."""
    is_man = choose(chances["kind"]) == "man"
    worn = {"hair": MENS_HAIR if is_man else WOMENS_HAIR} | ({} if is_man else {"beard": ("none",)})
    rare = RARE_LOOKS | ({"hair": (*RARE_LOOKS["hair"], *RARE_ON_MEN)} if is_man else {})
    return {
        trait: {
            name: share * (RARE if name in rare.get(trait, ()) else 1)
            for name, share in shares.items()
            if name in worn.get(trait, shares)
        }
        for trait, shares in chances.items()
    }


def choose(shares: Mapping[str, float]) -> str:
    return max(shares, key=shares.__getitem__)
