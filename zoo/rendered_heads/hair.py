"""Hair that grows: strands from the scalp, combed, falling, and kept out of the head."""

from dataclasses import dataclass, replace

import numpy as np

from zoo.drawn_faces import Person

from .body import Body
from .noise import look_up
from .regions import HEAD_CENTRE, measure_hairline
from .skin import Looks
from .strands import Strands, plant

POINTS = 22
DROP = np.array([0, -0.12, -0.02])
"""How a tail falls from where it is tied, a step."""


@dataclass(frozen=True)
class Style:
    """length: dm, of hair on top and lower down. comb: where hair is combed: parted, back, forward, out, tied.

    lift: how steeply it leaves the skin; weight: how soon it falls. curl: radius in dm; turns: of a curl along a hair.
    fringe: whether hair falls into the forehead. count: of strands. clumped: how far the tips of locks come together.
    """

    top: float
    low: float
    comb: str
    lift: float = 0.25
    weight: float = 0.3
    curl: float = 0.0
    turns: float = 0.0
    fringe: bool = False
    count: int = 3000
    clumped: float = 0.5


STYLES = {
    "buzz-cut": Style(0.07, 0.05, "out", 1.0, 0.0, count=7000, clumped=0),
    "short swept": Style(0.55, 0.22, "parted", 0.35, 0.10, count=4500, clumped=0.5),
    "quiff": Style(0.65, 0.16, "back", 0.75, 0.06, count=4500, clumped=0.5),
    "spiky": Style(0.42, 0.22, "out", 1.0, 0.0, count=4500, clumped=0.9),
    "short curly": Style(0.6, 0.4, "out", 0.8, 0.08, 0.06, 3.0, count=3500, clumped=0.7),
    "afro": Style(0.85, 0.75, "out", 1.0, 0.0, 0.07, 5.0, count=4500, clumped=0.3),
    "mohawk": Style(0.8, 0.0, "out", 1.0, 0.0, count=1800, clumped=0.8),
    "bob": Style(1.5, 1.3, "parted", 0.3, 0.35, 0.015, 1.0, clumped=0.4),
    "fringed bob": Style(1.5, 1.3, "parted", 0.3, 0.35, 0.012, 1.0, True, clumped=0.4),
    "long straight": Style(3.4, 3.0, "parted", 0.3, 0.35, 0.02, 1.0, clumped=0.5),
    "long wavy": Style(3.3, 2.9, "parted", 0.35, 0.3, 0.07, 3.5, clumped=0.7),
    "long fringed": Style(3.3, 2.9, "parted", 0.3, 0.35, 0.03, 1.5, True, clumped=0.5),
    "curly shoulder-length": Style(2.0, 1.8, "parted", 0.6, 0.2, 0.10, 5.0, clumped=0.8),
    "bun": Style(1.9, 1.5, "tied", 0.12, 0.0, clumped=0.3),
    "ponytail": Style(3.2, 2.9, "tied", 0.12, 0.25, 0.02, 1.0, clumped=0.3),
    "pigtails": Style(2.6, 2.4, "two", 0.12, 0.25, 0.03, 1.5, clumped=0.3),
}


def grow_hair(person: Person, looks: Looks, points: np.ndarray, seed: int) -> Strands | None:
    """The hair of the head of a person whose body at rest is `points`; None for a bald one."""
    if person.hair == "bald":
        return None
    rng = np.random.default_rng([seed, 104])
    style = _vary(STYLES[person.hair], person, rng)
    above = lambda rest: measure_hairline(rest, looks.recession, looks.hairline)  # noqa: E731
    chosen = (lambda rest: (above(rest) > 0.02) & (abs(rest[:, 0]) < 0.15)) if person.hair == "mohawk" else (
        lambda rest: above(rest) + 0.04 * rng.random(len(rest)) > 0.03
    )  # fmt: skip
    rest, roots, normals = plant(points, chosen, style.count, rng)
    body = Body(points)
    high = ((above(rest) - 0.1) / 0.45).clip(0, 1) * ((rest[:, 1] - 7.2) / 0.5).clip(0, 1)
    length = (style.low + high * (style.top - style.low)) * rng.uniform(0.8, 1.1, len(roots))
    fringe = style.fringe & (rest[:, 2] > 0.85) & (abs(rest[:, 0]) < 0.55) & (rest[:, 1] > 7.6)
    length = np.where(fringe, (rest[:, 1] - 7.48) * rng.uniform(1.0, 1.12, len(roots)) + 0.06, length)
    path = _fall(style, person, rest, roots, normals, length, fringe, body, rng)
    path = _curl(_gather_locks(path, rest, style, rng), rest, style, length, rng)
    open_ = fringe | (_count_before_face(path, body) < 2)
    path, rest = path[open_], rest[open_]
    if person.hair == "bun":
        path = np.concatenate([path, _wind_bun(body, path, rng)])
    shades = 1 + 0.16 * look_up(rest, 9) + rng.normal(0, 0.12, len(rest))
    shades = np.concatenate([shades, 1 + rng.normal(0, 0.15, len(path) - len(rest))])
    return Strands(path.astype(np.float32), shades.clip(0.5, 1.7).astype(np.float32), 0.026 if style.top < 1 else 0.036)


def _vary(style: Style, person: Person, rng: np.random.Generator) -> Style:
    grown = person.hair_volume * rng.uniform(0.85, 1.2)
    return replace(
        style,
        top=style.top * grown,
        low=style.low * grown,
        lift=style.lift * rng.uniform(0.8, 1.25),
        curl=style.curl * rng.uniform(0.7, 1.4),
        clumped=min(style.clumped * rng.uniform(0.6, 1.2), 0.95),
    )


def _fall(style, person, rest, roots, normals, length, fringe, body: Body, rng) -> np.ndarray:
    """Strands [N, POINTS, 3] as they leave the skin, are combed and fall."""
    comb = _comb(style, person, rest, fringe, rng)
    along = comb - (comb * normals).sum(axis=1, keepdims=True) * normals
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    loose = np.stack([look_up(rest, 2.0, k) for k in range(3)], axis=1) * 0.25 + rng.normal(0, 0.10, (len(rest), 3))
    lift = style.lift * np.where(fringe, 0.5, 1)[:, None]
    heading = along * (1 - min(style.lift, 1) * 0.75) + normals * lift + loose * (0.35 + 0.4 * style.lift)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    step = (length / (POINTS - 1))[:, None]
    places, path = roots.copy(), [roots]
    margin = 0.015 + 0.07 * rng.random(len(rest)) * min(1.0, style.top)
    ties = _find_ties(style, body)
    for number in range(1, POINTS):
        share = number / POINTS
        pull = np.zeros_like(places)
        pull[:, 1] -= style.weight * np.minimum(length, 1.2) * 0.8
        if style.comb in ("parted", "back", "forward") and share < 0.35:
            pull += 0.25 * along
        if ties is not None:
            tie = ties[(rest[:, 0] > 0).astype(int)]
            left = tie - places
            far = np.linalg.norm(left, axis=1, keepdims=True)
            free = np.concatenate([path[k][:, None] for k in range(number)], axis=1)
            passed = (np.linalg.norm(free - tie[:, None], axis=2).min(axis=1) < 0.16)[:, None]
            pull = np.where(passed, pull + DROP, 0.9 * left / (far + 1e-6))
        if not style.fringe or not fringe.all():
            pull += _part_from_face(places, rest, body) * ~fringe[:, None]
        heading = heading + pull
        heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
        places = body.push_out(places + step * heading, margin + 0.01 * np.minimum(number, 3))
        path.append(places)
    return np.stack(path, axis=1)


def _comb(style: Style, person: Person, rest: np.ndarray, fringe, rng) -> np.ndarray:
    x, y, z = rest.T
    if style.comb == "back":
        comb = np.stack([0.5 * x, 0.2 + 0 * x, -1 + 0 * x], axis=1)
        comb[(y < 7.7)] = (0, -0.6, -0.8)
    elif style.comb == "out":
        comb = rest - HEAD_CENTRE
    elif style.comb in ("tied", "two"):
        comb = np.stack([-0.3 * x, 0.2 + 0 * x, -1 + 0 * x], axis=1)
    else:
        part = person.part * rng.uniform(0.0, 0.3)
        side = np.where(x > part, 1.0, -1.0)
        forward = rng.uniform(-0.35, 0.25) if style.top > 1 else rng.uniform(-0.3, 0.9)
        comb = np.stack([side, np.full_like(x, -0.25), np.full_like(x, forward)], axis=1)
        back = z < 0.2
        comb[back] = np.stack([0.4 * np.sign(x[back]), -0.8 + 0 * x[back], -0.5 + 0 * x[back]], axis=1)
    lower = (y < 7.45) & (style.comb not in ("out", "tied", "two"))
    comb[lower] = (0, -1.0, -0.25)
    comb[fringe] = np.stack([0.25 * x[fringe], -0.5 + 0 * x[fringe], 1 + 0 * x[fringe]], axis=1)
    return comb / (np.linalg.norm(comb, axis=1, keepdims=True) + 1e-9)


def _find_ties(style: Style, body: Body) -> np.ndarray | None:
    """Where hair is tied, [2, 3], for roots right and left."""
    if style.comb == "tied":
        behind = np.array([0, 0.35 if style.weight == 0 else 0.15, -1.12])
        return np.repeat([body.centre + behind], 2, axis=0)
    if style.comb == "two":
        return body.centre + np.array([(-0.85, -0.25, -0.45), (0.85, -0.25, -0.45)])
    return None


def _part_from_face(places: np.ndarray, rest: np.ndarray, body: Body) -> np.ndarray:
    """A push to the side for hair in front of the face."""
    offset = places - body.centre
    before = ((offset[:, 2] - 0.25) / 0.3).clip(0, 1) * (abs(offset[:, 0]) < 0.75) * (offset[:, 1] < 0.45)
    push = np.zeros_like(places)
    push[:, 0] = np.where(rest[:, 0] > 0, 1, -1) * before * 0.8
    push[:, 2] = -before * 0.35
    return push


def _count_before_face(path: np.ndarray, body: Body) -> np.ndarray:
    """How many points of each strand hang before eyes, nose or mouth."""
    offset = path - body.centre
    before = (abs(offset[..., 0]) < 0.52) & (offset[..., 1] < 0.22) & (offset[..., 1] > -1.2) & (offset[..., 2] > 0.3)
    return before.sum(axis=1)


def _gather_locks(path: np.ndarray, rest: np.ndarray, style: Style, rng) -> np.ndarray:
    if not style.clumped or len(path) < 50:
        return path
    from scipy.spatial import KDTree

    leaders = rng.choice(len(path), max(30, len(path) // 22), replace=False)
    kin = np.concatenate([path[:, 0], path[:, POINTS // 3], path[:, -1] * 0.5], axis=1)
    near = leaders[KDTree(kin[leaders]).query(kin)[1]]
    towards = path[near] + (path[:, :1] - path[near][:, :1]) * 0.25
    share = style.clumped * np.linspace(0, 1, POINTS)[None, :, None] ** 1.3 * rng.uniform(0.5, 1, (len(path), 1, 1))
    return path + share * (towards - path)


def _curl(path: np.ndarray, rest: np.ndarray, style: Style, length: np.ndarray, rng) -> np.ndarray:
    if not style.curl:
        return path
    along = np.gradient(path, axis=1)
    along /= np.linalg.norm(along, axis=2, keepdims=True) + 1e-9
    across = np.cross(along, (0.3, 0.2, 0.9))
    across /= np.linalg.norm(across, axis=2, keepdims=True) + 1e-9
    third = np.cross(along, across)
    phase = 2.5 * look_up(rest, 3.0, 9) + rng.normal(0, 0.35, len(path))
    turns = style.turns * (1 + 0.15 * look_up(rest, 2.0, 8))
    angle = phase[:, None] + 2 * np.pi * turns[:, None] * np.linspace(0, 1, POINTS)
    reach = style.curl * np.linspace(0, 1, POINTS).clip(0, 0.4) / 0.4
    return path + reach[None, :, None] * (np.cos(angle)[..., None] * across + np.sin(angle)[..., None] * third)


def _wind_bun(body: Body, path: np.ndarray, rng) -> np.ndarray:
    """Strands around a ball where the hair is tied."""
    centre = body.centre + np.array([0, rng.uniform(0.3, 1.0), -1.12])
    if centre[1] > body.centre[1] + 0.6:
        centre += (0, 0.25, 0.5)
    count = 900
    axis = rng.normal(0, 1, (count, 3)) * (0.4, 0.4, 1)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    across = np.cross(axis, rng.normal(0, 1, (count, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = rng.uniform(0, 6.28, (count, 1)) + np.linspace(0, 2.2, POINTS)
    third = np.cross(axis, across)
    ring = np.cos(angle)[..., None] * across[:, None] + np.sin(angle)[..., None] * third[:, None]
    return centre + ring * (rng.uniform(0.28, 0.40) * rng.uniform(0.85, 1.05, (count, 1, 1))) * (1, 0.85, 1)
