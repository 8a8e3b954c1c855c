"""The shape of a head: MakeHuman's morph targets by a person's words, and small differences of everything."""

from dataclasses import dataclass

import numpy as np

from zoo.drawn_faces import Person

from .assets import list_targets, load_base_mesh, load_target

FACE_SHAPES = {
    "oval": {"head/head-oval": 0.7},
    "round": {"head/head-round": 0.8, "head/head-fat-incr": 0.3},
    "square": {"head/head-square": 0.8, "chin/chin-width-incr": 0.4},
    "heart-shaped": {"head/head-invertedtriangular": 0.8, "chin/chin-triangle": 0.4},
    "long": {"head/head-rectangular": 0.5, "head/head-scale-vert-incr": 0.5, "head/head-scale-horiz-decr": 0.3},
}
EYE_SHAPES = {
    "round": {"eye-height2-incr": 0.7},
    "almond-shaped": {"eye-height1-decr": 0.3, "eye-corner2-up": 0.3},
    "narrow": {"eye-height2-decr": 0.6, "eye-height1-decr": 0.4, "eye-height3-decr": 0.4},
    "droopy": {"eye-corner2-down": 0.8},
    "upturned": {"eye-corner2-up": 0.9},
}
NOSES = {
    "button": {"nose/nose-point-up": 0.6, "nose/nose-scale-vert-decr": 0.5, "nose/nose-scale-depth-decr": 0.2},
    "straight": {"nose/nose-greek-incr": 0.4, "nose/nose-hump-decr": 0.3},
    "broad": {"nose/nose-scale-horiz-incr": 0.6, "nose/nose-nostrils-width-incr": 0.6, "nose/nose-width3-incr": 0.5},
    "pointed": {"nose/nose-point-width-decr": 0.8, "nose/nose-scale-depth-incr": 0.5},
    "long": {"nose/nose-scale-vert-incr": 0.6, "nose/nose-hump-incr": 0.4, "nose/nose-base-down": 0.3},
}
MOUTHS = {
    "wide": {"mouth/mouth-scale-horiz-incr": 0.7},
    "full": {"mouth/mouth-upperlip-volume-incr": 0.8, "mouth/mouth-lowerlip-volume-incr": 0.8,
             "mouth/mouth-upperlip-height-incr": 0.4, "mouth/mouth-lowerlip-height-incr": 0.5},
    "thin": {"mouth/mouth-upperlip-height-decr": 0.6, "mouth/mouth-lowerlip-height-decr": 0.6},
    "small": {"mouth/mouth-scale-horiz-decr": 0.7},
}  # fmt: skip
EARS = {"small": {"ear-scale-decr": 0.7}, "large": {"ear-scale-incr": 0.8}, "protruding": {"ear-wing-incr": 0.8}}
EXPRESSIONS = {
    "calm": {},
    "smiling": {"mouthSmile": 0.75, "cheekSquint": 0.4, "mouthDimple": 0.3, "mouthUpperUp": 0.15},
    "laughing": {"mouthSmile": 0.85, "jawOpen": 0.24, "cheekSquint": 0.6, "eyeSquint": 0.3, "mouthUpperUp": 0.55,
                 "mouthLowerDown": 0.3},
    "surprised": {"jawOpen": 0.45, "eyeWide": 0.8, "browInnerUp": 0.8, "browOuterUp": 0.7},
    "sad": {"mouthFrown": 0.7, "browInnerUp": 0.8, "mouthShrugLower": 0.3, "eyeSquint": 0.2},
    "angry": {"browDown": 0.9, "noseSneer": 0.4, "mouthPress": 0.5, "eyeSquint": 0.35, "mouthFrown": 0.3},
}  # fmt: skip
TEETH = {"mouthSmile": 0.75, "mouthUpperUp": 0.8, "mouthLowerDown": 0.7, "jawOpen": 0.08, "mouthStretch": 0.3}
"""A smile that shows them."""
VARIED = ("cheek", "chin", "ears", "eyes", "forehead", "head", "mouth", "neck", "nose")
OPPOSITES = (
    ("incr", "decr"), ("up", "down"), ("in", "out"), ("forward", "backward"), ("convex", "concave"),
    ("compress", "uncompress"), ("wide", "narrow"),
)  # fmt: skip
SPREAD = 0.2
SKINS = {  # what share of people with a skin tone has features of which origin: caucasian, asian, african
    "porcelain": (4, 1, 0), "fair": (4, 1, 0), "light": (3, 2, 0), "golden": (1.5, 3, 0.3), "olive": (2.5, 2, 0.6),
    "tan": (1.5, 1.5, 1.5), "brown": (0.7, 0.8, 3), "dark brown": (0.2, 0.2, 4), "deep": (0, 0, 1),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shape:
    """points: [V, 3], of a person at rest with a calm face. years: 0 young to 1 very old. origin: [3], shares."""

    points: np.ndarray
    years: float
    origin: np.ndarray


def make_shape(person: Person, seed: int) -> Shape:
    """The same seed gives the same head."""
    rng = np.random.default_rng([seed, 101])
    years = float(rng.uniform(0.6, 1.0) if person.age == "old" else rng.uniform(0, 0.34) ** 1.2)
    origin = rng.dirichlet(np.array(SKINS[person.skin]) * 0.7 + 0.02)
    man = rng.uniform(0.75, 1.0) if person.kind == "man" else rng.uniform(0.0, 0.15)
    points = load_base_mesh().points.copy()
    for name, share in {**_choose_build(rng, years, origin, man), **_vary(rng), **_name_features(person)}.items():
        move(points, name, share)
    return Shape(_set_in_place(points), years, origin)


def express(points: np.ndarray, expression: str, seed: int) -> np.ndarray:
    """Points [V, 3] of a calm face with an expression, more or less of it."""
    rng = np.random.default_rng([seed, 102])
    points = points.copy()
    strength = rng.uniform(0.6, 1.15)
    units = dict(EXPRESSIONS[expression])
    if expression in ("smiling", "calm") and rng.random() < {"smiling": 0.65, "calm": 0.15}[expression]:
        units |= TEETH
    for name in ("browInnerUp", "jawOpen", "mouthPucker", "mouthShrugUpper", "mouthFunnel"):
        if rng.random() < 0.25:
            units[name] = units.get(name, 0) + rng.uniform(0, 0.2)
    if expression == "calm" and rng.random() < 0.5:
        units["mouthSmile"] = rng.uniform(0, 0.4)
    chance = rng.random()
    if chance < 0.12:
        units["eyeBlink"] = 1.0 if chance < 0.03 else rng.uniform(0.1, 0.6)
    for unit, share in units.items():
        sides = [""] if unit in ("browInnerUp", "jawOpen", "mouthPucker", "mouthShrugLower", "mouthShrugUpper",
                                 "mouthFunnel") else ["Left", "Right"]  # fmt: skip
        for side in sides:
            move(points, f"faceunits/{unit}{side}", share * strength * rng.uniform(0.85, 1.15))
    return points


def move(points: np.ndarray, target: str, share: float) -> None:
    vertices, steps = load_target(target)
    points[vertices] += share * steps


def _set_in_place(points: np.ndarray) -> np.ndarray:
    """Points of a body of any height, with the head where that of the base mesh is, and as large."""
    mesh = load_base_mesh()
    head = mesh.follow > 0.99
    wanted, found = mesh.points[head], points[head]
    scale = np.linalg.norm(wanted - wanted.mean(axis=0), axis=1).mean()
    scale /= np.linalg.norm(found - found.mean(axis=0), axis=1).mean()
    return (points - found.mean(axis=0)) * scale + wanted.mean(axis=0)


def _choose_build(rng: np.random.Generator, years: float, origin: np.ndarray, man: float) -> dict[str, float]:
    muscle, weight = rng.uniform(0.1, 0.8), rng.uniform(0.1, 0.9) ** 1.2
    genders = {"female": 1 - man, "male": man}
    ages = {"young": 1 - years, "old": years}
    muscles = {"minmuscle": max(0, 1 - 2 * muscle), "averagemuscle": 1 - abs(1 - 2 * muscle),
               "maxmuscle": max(0, 2 * muscle - 1)}  # fmt: skip
    weights = {"minweight": max(0, 1 - 2 * weight), "averageweight": 1 - abs(1 - 2 * weight),
               "maxweight": max(0, 2 * weight - 1)}  # fmt: skip
    build = {}
    for gender, g in genders.items():
        for age, a in ages.items():
            for race, r in zip(("caucasian", "asian", "african"), origin, strict=True):
                build[f"macrodetails/{race}-{gender}-{age}"] = g * a * r
            for one, m in muscles.items():
                for two, w in weights.items():
                    build[f"macrodetails/universal-{gender}-{age}-{one}-{two}"] = g * a * m * w
    return {name: share for name, share in build.items() if share > 0.02}


def _vary(rng: np.random.Generator) -> dict[str, float]:
    """A little of every opposite, alike on both sides."""
    varied = {}
    for folder in VARIED:
        names = [name for name in list_targets(folder) if not name.split("/")[1].startswith("r-")]
        for name in names:
            for one, other in OPPOSITES:
                if not name.endswith(f"-{one}"):
                    continue
                back = f"{name.removesuffix(one)}{other}"
                share = float(rng.normal(0, SPREAD) * (0.6 if "trans" in name or "scale" in name else 1))
                chosen = name if share > 0 else back
                if chosen in list_targets(folder):
                    for side in {chosen, chosen.replace("/l-", "/r-")}:
                        varied[side] = min(abs(share), 0.9) * rng.uniform(0.9, 1.1)
    return varied


def _name_features(person: Person) -> dict[str, float]:
    named = {**FACE_SHAPES[person.face_shape], **NOSES[person.nose], **MOUTHS[person.mouth]}
    for side in "lr":
        named |= {f"eyes/{side}-{name}": share for name, share in EYE_SHAPES[person.eye_shape].items()}
        named |= {f"ears/{side}-{name}": share for name, share in EARS[person.ears].items()}
        size = (person.eye_size - 1.02) * 6
        named[f"eyes/{side}-eye-scale-{'incr' if size > 0 else 'decr'}"] = min(abs(size), 0.8)
    return {name: 0.8 * share for name, share in named.items()}
