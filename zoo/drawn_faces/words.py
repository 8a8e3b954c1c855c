"""Words for drawn people and scenes."""

from .person import Person
from .scene import Scene

PLACES = {
    "beach": "on a beach",
    "mountains": "in front of mountains",
    "forest": "in a forest",
    "city at night": "in a city at night",
    "library": "in a library",
    "garden": "in a garden",
    "snow": "in the snow",
    "space": "in space",
    "sunset": "at sunset",
}
MOODS = {
    "smiling": "smiling",
    "laughing": "laughing",
    "surprised": "looking surprised",
    "sad": "looking sad",
    "angry": "looking angry",
}
LIGHTS = {"warm": "in warm light", "cool": "in cool light", "evening": "in evening light"}
PLAIN_HATS = {"crown": "a golden crown", "straw hat": "a straw hat"}
"""Hats of one colour only; the others are named with theirs."""
TURNED = 12.0
"""Degrees of yaw from which a prompt tells where a person looks."""
WORN_HAIR = ("afro", "bob", "fringed bob", "bun", "ponytail", "mohawk", "quiff", "pigtails")
"""Hairstyles that are nouns."""


def describe_person(person: Person) -> str:
    """Facial clauses in the form of consistentid.caption.clauses: five, and those of eyebrows and hair.

    "oval face with fair skin and freckles, small ears, large round green eyes, button nose, full mouth with red lips,
    arched eyebrows, brown hair in a bob"
    """
    return f"{describe_features(person)}, {person.brows} eyebrows, {_describe_hair(person)}"


def describe_features(person: Person) -> str:
    """The clauses of the five published regions alone."""
    face = [f"{person.skin} skin"]
    face += {"none": [], "mole": ["a mole"]}.get(person.mark, [person.mark])
    face += [] if person.beard == "none" else [person.beard]
    old = "wrinkled " if person.age == "old" else ""
    size = name_eye_size(person)
    lips = "" if person.kind == "man" else f" with {person.lips} lips"
    return ", ".join(
        [
            f"{old}{person.face_shape} face with {' and '.join(face)}",
            f"{person.ears} ears",
            f"{size} {person.eye_shape} {person.eye_colour} eyes".strip(),
            f"{person.nose} nose",
            f"{person.mouth} mouth{lips}",
        ]
    )


def _describe_hair(person: Person) -> str:
    if person.hair == "bald":
        return "no hair"
    if person.hair not in WORN_HAIR:
        return name_hair(person)
    return f"{person.hair_colour} hair in {person.hair if person.hair == 'pigtails' else _add_article(person.hair)}"


def name_eye_size(person: Person) -> str:
    """large or small; nothing where it is not worth a word."""
    return "large" if person.eye_size > 1.06 else "small" if person.eye_size < 0.96 else ""


def name_person(person: Person) -> str:
    """The trigger word of a person, with its article: "a woman", "an old man"."""
    return _add_article(f"{'old ' if person.age == 'old' else ''}{person.kind}")


def write_prompt(person: Person, scene: Scene) -> str:
    """What is in a picture, the person's looks included."""
    return _write(person, scene, f" with {_list(_name_looks(person))}")


def write_scene_prompt(person: Person, scene: Scene) -> str:
    """What is in a picture without the person's looks, as a prompt for this person in another scene is written."""
    return _write(person, scene, "")


def _write(person: Person, scene: Scene, looks: str) -> str:
    parts = [f"{name_person(person)}{looks} wearing {_list(_name_clothes(scene))}"]
    parts += [MOODS[scene.expression]] if scene.expression in MOODS else []
    parts += [f"looking {'right' if scene.yaw > 0 else 'left'}"] if abs(scene.yaw) > TURNED else []
    parts += [PLACES.get(scene.background) or f"in front of {_add_article(scene.backdrop_colour)} wall"]
    parts += [LIGHTS[scene.light]] if scene.light in LIGHTS else []
    return ", ".join(parts)


def _name_looks(person: Person) -> list[str]:
    hair = "a bald head" if person.hair == "bald" else name_hair(person)
    looks = [hair, f"{person.eye_colour} eyes"]
    looks += (
        [] if person.beard == "none" else [person.beard if person.beard == "stubble" else _add_article(person.beard)]
    )
    looks += [] if person.glasses == "none" else [f"{person.glasses} glasses"]
    looks += {"none": [], "mole": ["a mole"]}.get(person.mark, [person.mark])
    return looks


def name_hair(person: Person) -> str:
    """Style and colour, as in "a red bob" or "long straight brown hair"."""
    if person.hair == "pigtails":
        return f"{person.hair_colour} pigtails"
    if person.hair in WORN_HAIR:
        return _add_article(f"{person.hair_colour} {person.hair}")
    return f"{person.hair} {person.hair_colour} hair"


def _name_clothes(scene: Scene) -> list[str]:
    clothes = f"{scene.clothes_colour} {scene.clothes}"
    worn = [clothes if scene.clothes == "dungarees" else _add_article(clothes)]
    if scene.hat == "none":
        return worn
    return [PLAIN_HATS.get(scene.hat) or _add_article(f"{scene.hat_colour} {scene.hat}"), *worn]


def _add_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
