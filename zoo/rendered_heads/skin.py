"""What covers the base mesh: colour, gloss and label of places on skin, eyes and mouth."""

from dataclasses import dataclass

import numpy as np

from zoo.drawn_faces import Person
from zoo.drawn_faces.drawing import labels
from zoo.drawn_faces.palette import EYE, LIPS, SKIN

from .colour import decode
from .noise import look_up
from .palette import HAIR
from .regions import UPPER_LIP_ABOVE, is_neck, is_nose, measure_beard, measure_brow, measure_hairline, read_mask

IRIS, PUPIL = 0.50, 0.19
"""Angles from the middle of an eye, in radians."""
SPARSE = {"bald": 1.0, "buzz-cut": 0.55, "mohawk": 0.85}
"""Hair styles that show the scalp, and how much of it."""


@dataclass(frozen=True)
class Looks:
    """What a seed adds to a person's words; colours are linear."""

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brows: np.ndarray
    iris: np.ndarray
    red: float
    gloss: float
    recession: float
    hairline: float
    brow_height: float
    brow_arch: float
    brow_width: float
    offset: float


def choose_looks(person: Person, years: float, seed: int) -> Looks:
    rng = np.random.default_rng([seed, 103])
    painted = decode(SKIN[person.skin]) * rng.uniform(0.75, 1.05)
    # Painted skins are purer than photographed ones.
    share = np.interp(painted.mean(), (0.04, 0.2, 0.6), (0, 0.5, 1))
    seen = painted.mean() * np.array([1.62, 0.82, 0.56]) ** (1.15 - 0.62 * share)
    skin = (0.3 * painted + 0.7 * seen) * (1 + rng.normal(0, 0.03, 3))
    natural = skin * (0.86, 0.60, 0.62)
    made_up = rng.uniform(0.3, 0.8) if person.kind == "woman" and person.lips not in ("natural", "pale") else 0.08
    lips = natural + made_up * (decode(LIPS[person.lips]) * min(1, 0.5 + skin.mean()) - natural)
    hair = decode(HAIR[person.hair_colour]) * rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.04, 3))
    brows = hair if person.hair_colour not in ("platinum", "white", "blond") else hair * 0.55
    shapes = {"straight": (-0.012, 0.85), "arched": (0.015, 0.9), "bushy": (0.0, 1.35), "thin": (0.008, 0.6),
              "slanted": (0.018, 0.95)}  # fmt: skip
    arch, width = shapes[person.brows]
    return Looks(
        skin.clip(0.01, 0.9),
        lips.clip(0.005, 0.9),
        hair.clip(0.004, 0.9),
        (brows * 0.7 + 0.12 * natural).clip(0.003, 0.6),
        decode(EYE[person.eye_colour]) * rng.uniform(0.5, 0.9),
        red=float(rng.uniform(0.05, 0.35) + (0.35 if person.mark == "rosy cheeks" else 0)),
        gloss=float(rng.uniform(0.35, 1.2)),
        recession=float(rng.beta(1.2, 3) * (1.0 if years > 0.3 else 0.35) if person.kind == "man" else 0.05),
        hairline=float(rng.normal(0, 0.06)),
        brow_height=float((person.brow_height - 1) * 0.15 + rng.normal(0, 0.012)),
        brow_arch=float(arch + rng.normal(0, 0.008)),
        brow_width=float((0.036 if person.kind == "man" else 0.026) * width * rng.uniform(0.85, 1.2)),
        offset=float(rng.uniform(0, 5)),
    )


def paint_body(person: Person, looks: Looks, rest: np.ndarray, places: np.ndarray, years: float):
    """Colours [N, 3], gloss [N] and labels [N] of places [N, 3] on the base mesh with UV coordinates [N, 2]."""
    x, y, _ = rest.T
    lips = read_mask("lips", places)
    ears = (read_mask("ears", places) > 0.5) & (abs(x) > 0.6)
    inside = (read_mask("inside-mouth", places) > 0.5) & (lips < 0.5)
    colour = _mottle(person, looks, rest, years)
    gloss = np.full(len(rest), looks.gloss, np.float32)
    label = np.where(is_neck(rest), labels.NECK, labels.SKIN).astype(np.uint8)
    label[is_nose(rest)] = labels.NOSE
    label[ears] = np.where(x[ears] < 0, labels.LEFT_EAR, labels.RIGHT_EAR)
    colour[ears] *= (1.0, 0.86, 0.84)
    _add_beard_shade(person, looks, rest, colour)
    _add_scalp(person, looks, rest, colour, label, ears)
    brow = measure_brow(rest, looks.brow_height, looks.brow_arch, looks.brow_width)
    label[brow > 0] = np.where(x[brow > 0] < 0, labels.LEFT_BROW, labels.RIGHT_BROW)
    colour += (0.35 * (brow * 2.5).clip(0, 1))[:, None] * (looks.brows - colour)
    tint = looks.lips * (1 + 0.12 * look_up(rest * (3, 0.6, 1), 8, looks.offset))[:, None]
    colour += (lips * 1.2).clip(0, 1)[:, None] * (tint - colour)
    upper = y > UPPER_LIP_ABOVE
    label[lips > 0.4] = np.where(upper[lips > 0.4], labels.UPPER_LIP, labels.LOWER_LIP)
    gloss[lips > 0.4] *= 1.5
    colour[inside], label[inside], gloss[inside] = (0.12, 0.03, 0.03), labels.MOUTH, 0.6
    return colour.clip(0.002, 0.95), gloss, label


def paint_eye(looks: Looks, away: np.ndarray, around: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Colours of places on an eye. away: angle from where it looks; around: on the iris; height: -1 to 1 above."""
    edge = ((away - IRIS) / 0.05).clip(0, 1)[:, None]
    fibres = np.sin(around * 23 + 3 * np.sin(around * 5 + looks.offset)) * 0.18
    ring = 1 - 0.75 * ((away - IRIS + 0.10) / 0.10).clip(0, 1)
    inner = 1 + 0.5 * (1 - (away - PUPIL) / 0.15).clip(0, 1)
    iris = looks.iris * ((1 + fibres) * ring * inner)[:, None]
    pupil = ((PUPIL - away) / 0.03).clip(0, 1)[:, None]
    iris = iris * (1 - pupil) + 0.004 * pupil
    white = np.array([0.66, 0.62, 0.59]) * (1 - 0.25 * ((away - 0.8) / 0.5).clip(0, 1))[:, None] ** (0.6, 1.5, 1.5)
    shade = 1 - 0.45 * (height * 1.6).clip(0, 1)
    return ((iris * (1 - edge) + white * edge) * shade[:, None]).astype(np.float32)


def _mottle(person: Person, looks: Looks, rest: np.ndarray, years: float) -> np.ndarray:
    x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    front = (z > 0.9) & (y > 6.1)
    broad, fine = look_up(rest, 1.6, looks.offset), look_up(rest, 7, looks.offset + 1)
    bright = 1 + 0.045 * broad + (0.04 + 0.04 * years) * fine + 0.03 * look_up(rest, 16, looks.offset)
    colour = looks.skin * bright[:, None]

    def spot(cx, cy, rx, ry):
        return np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2) * front

    red = spot(0.42, 6.92, 0.2, 0.18) + 0.8 * spot(0, 6.95, 0.16, 0.12) + 0.4 * spot(0, 6.3, 0.15, 0.1)
    red = (red + 0.25 * broad) * looks.red
    colour *= 1 - red.clip(0, 1)[:, None] * (0.05, 0.42, 0.38)
    tired = (spot(0.3, 7.16, 0.16, 0.06) + 0.6 * spot(0.3, 7.36, 0.2, 0.05)) * (0.10 + 0.22 * years)
    colour *= 1 - tired[:, None] * (0.75, 1.0, 0.8)
    if person.mark == "freckles":
        dots = (look_up(rest, 26, looks.offset + 2) > 1.2) * spot(0, 7.0, 0.6, 0.3)
        colour *= 1 - dots[:, None] * (0.28, 0.42, 0.46)
    if person.mark == "mole":
        side = 1 if looks.offset > 2.5 else -1
        mole = np.hypot(rest[:, 0] - side * 0.38, y - 6.72) < 0.028
        colour[mole & front] *= 0.25
    if years > 0.4:
        spots = (look_up(rest, 12, looks.offset + 3) > 2.2) & (y > 6.2)
        colour[spots] *= (0.85, 0.75, 0.7)
    return colour.astype(np.float32)


def _add_beard_shade(person: Person, looks: Looks, rest: np.ndarray, colour: np.ndarray) -> None:
    if person.kind != "man":
        return
    jaw, moustache, goatee = measure_beard(rest)
    shaved = np.maximum(jaw, moustache)
    shown = {
        "none": 0.16 * shaved,
        "stubble": 0.55 * shaved,
        "moustache": np.maximum(0.7 * moustache, 0.2 * jaw),
        "goatee": np.maximum.reduce([0.7 * moustache, 0.7 * goatee, 0.2 * jaw]),
        "full beard": 0.75 * shaved,
    }
    grain = 1 + 0.35 * look_up(rest, 22, looks.offset)
    share = (shown[person.beard] * grain).clip(0, 0.9)[:, None]
    colour += share * (0.5 * looks.hair * 0.6 + 0.35 * colour * (0.75, 0.85, 0.95) - colour)


def _add_scalp(person: Person, looks: Looks, rest, colour, label, ears) -> None:
    above = measure_hairline(rest, looks.recession, looks.hairline)
    above += 0.03 * look_up(rest, 8, looks.offset + 4)
    shown = SPARSE.get(person.hair, 0.12)
    if person.hair == "bald":
        colour += (0.12 * (above / 0.15).clip(0, 1) * (looks.recession < 0.5))[:, None] * (looks.hair - colour)
        return
    covered = (above > 0) & ~ears
    if person.hair == "mohawk":
        bare = covered & (abs(rest[:, 0]) > 0.16)
        colour[bare] += 0.4 * (looks.hair * 0.7 - colour[bare])
        label[bare] = labels.HAIR
        covered &= ~bare
    share = (above / 0.08).clip(0, 1)[:, None] * (1 - 0.5 * (shown if person.hair != "mohawk" else 0))
    dark = looks.hair * 0.35
    colour[covered] += share[covered] * (dark - colour[covered])
    label[covered] = labels.HAIR
