"""What people wear: clothes that follow the body, hats turned on a lathe, glasses bent from wire."""

from dataclasses import dataclass

import numpy as np

from zoo.drawn_faces import Person, Scene
from zoo.drawn_faces.drawing import labels
from zoo.drawn_faces.palette import FABRIC

from .assets import load_base_mesh
from .colour import decode
from .noise import look_up


@dataclass(frozen=True, eq=False)
class Piece:
    """points [V, 3] of a person at rest; follow [V], how far each follows the head; triangles [T, 3]; colours [V, 3],
    linear; gloss, sharpness of its shine; label. Seen from both sides.
    """

    points: np.ndarray
    follow: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    label: int
    gloss: float = 0.3


def lay_grid(points: np.ndarray, closed: bool = True) -> np.ndarray:
    """Triangles [T, 3] between the rows of a grid of points [R, C]; closed: the last column meets the first."""
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(number, -1, axis=1) if closed else number[:, 1:]
    left = number if closed else number[:, :-1]
    a, b, c, d = left[:-1].ravel(), right[:-1].ravel(), left[1:].ravel(), right[1:].ravel()
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])


@dataclass(frozen=True)
class Clothes:
    """Clothes that follow the body: where they end, how thick they are, and their colours."""

    scene: Scene
    edge: float
    deep: float
    stripes: float
    colour: np.ndarray
    shirt: np.ndarray

    def measure(self, rest: np.ndarray) -> np.ndarray:
        """How far below the edge of the clothes places [N, 3] on the base mesh are."""
        x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        front = ((z - 0.1) / 0.3).clip(0, 1)
        edge = self.edge + 0.12 * (1 - front) - front * self.deep * (1 - (x / 0.8).clip(0, 1))
        return (edge + np.interp(x, (0.5, 0.9, 1.3), (0, 0.25, 0.8)) - y).astype(np.float32)

    def lay_over(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Points [V, 3] of a body, lifted where they are covered."""
        rest = load_base_mesh().points.astype(np.float32)
        depth = self.measure(rest)
        folds = 0.07 + 0.035 * look_up(rest * (1.2, 0.7, 1.2), 0.7, self.edge)
        return points + normals * (folds * (depth / 0.06 + 0.5).clip(0, 1) * (depth > -0.05))[:, None]

    def paint(self, rest: np.ndarray, below: np.ndarray) -> np.ndarray:
        x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        colour = np.repeat(self.colour[None], len(rest), axis=0)
        if self.scene.clothes == "striped shirt":
            colour[(y * self.stripes) % 1 < 0.5] = self.shirt
        if self.scene.clothes == "suit":
            colour = np.where(((x < 0.42 - 0.12 * (5.7 - y)) & (z > 0.3))[:, None], self.shirt, colour * 0.45)
        weave = 1 + 0.05 * look_up(rest, 8) + 0.08 * look_up(rest, 1.5)
        seam = 0.72 + 0.28 * (below / 0.05).clip(0, 1)
        return colour * (weave * seam)[:, None]


def choose_clothes(scene: Scene, seed: int) -> Clothes:
    rng = np.random.default_rng([seed, 107])
    low = {"t-shirt": 5.72, "shirt": 5.9, "suit": 5.75, "dungarees": 5.7}.get(scene.clothes, 5.85)
    deep = rng.uniform(0, 0.6) if scene.clothes in ("suit", "t-shirt", "shirt") else 0.1
    colour = decode(FABRIC[scene.clothes_colour]) * rng.uniform(0.5, 1.0)
    shirt = decode((232, 230, 228)) * rng.uniform(0.6, 0.9)
    return Clothes(scene, low + rng.uniform(-0.2, 0.1), deep, rng.uniform(3, 6), colour, shirt)


def put_on_collar(scene: Scene, points: np.ndarray, seed: int) -> list[Piece]:
    rng = np.random.default_rng([seed, 111])
    if scene.clothes not in ("hoodie", "scarf", "jumper", "shirt", "suit") or rng.random() < 0.3:
        return []
    return [_lay_collar(scene, points, rng)]


def _lay_collar(scene: Scene, points: np.ndarray, rng) -> Piece:
    """A ring around the neck: high for a scarf, wide for a hood, upright for a shirt."""
    heights = {"hoodie": (0.25, 0.28), "scarf": (0.5, 0.24), "jumper": (0.3, 0.1)}
    height, thick = heights.get(scene.clothes, (0.3, 0.09))
    around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    across = np.linspace(0, 1, 9)
    base = load_base_mesh().points
    neck = points[(abs(base[:, 1] - 5.95) < 0.25) & (abs(base[:, 0]) < 0.7)]
    centre, wide = np.median(neck, axis=0), np.percentile(abs(neck[:, 0]), 90)
    swell = np.sin(across * np.pi)[:, None]
    front = 0.5 + 0.5 * np.cos(around)[None]
    open_ = 0.0 if scene.clothes in ("scarf", "jumper") else 0.25
    radius = wide * 1.12 + thick * (swell + 0.35) + 0.25 * (1 - across)[:, None]
    radius = radius * (1 + 0.05 * rng.standard_normal((1, 40)) * (scene.clothes == "scarf"))
    y = 5.55 + height * across[:, None] - (0.28 + open_ * across[:, None]) * front + 0.1
    grid = np.stack([radius * np.sin(around), y + 0 * radius, centre[2] + 0.08 + radius * np.cos(around)], axis=2)
    colour = decode(FABRIC[scene.clothes_colour]) * 0.7 if scene.clothes != "suit" else decode((232, 232, 236)) * 0.8
    if scene.clothes == "scarf":
        colour = decode(list(FABRIC.values())[int(rng.integers(len(FABRIC)))]) * 0.7
    flat = grid.reshape(-1, 3)
    return Piece(
        flat, np.full(len(flat), 0.15), lay_grid(grid), np.repeat(colour[None], len(flat), 0), labels.CLOTH, 0.1
    )


HATS = {
    "beanie": np.array([1.06, 1.12, 1.13, 1.08, 1.06, 0.9, 0.5, 0, 0.08, 0.12, 0.40, 0.45, 0.75, 1.12, 1.40, 1.5]),
    "cap": np.array([1.06, 1.07, 1.04, 0.88, 0.5, 0, 0.30, 0.45, 0.80, 1.12, 1.32, 1.40]),
    "top hat": np.array([1.75, 1.72, 1.08, 1.05, 1.02, 1.08, 1.05, 0, 0.46, 0.50, 0.44, 0.6, 1.6, 2.2, 2.25, 2.25]),
    "straw hat": np.array([2.1, 2.05, 1.08, 1.05, 0.98, 0.7, 0, 0.30, 0.36, 0.46, 0.7, 1.2, 1.40, 1.42]),
    "party hat": np.array([0.62, 0.6, 0.4, 0.2, 0.02, 0, 1.10, 1.12, 1.75, 2.3, 2.9, 2.9]),
    "crown": np.array([1.05, 1.06, 1.08, 1.1, 0.62, 0.64, 0.9, 1.2]),
}
"""Profiles, half widths and then heights from the rim to the top, in the head's half widths."""


def put_on_hat(scene: Scene, points: np.ndarray, seed: int) -> list[Piece]:
    if scene.hat not in HATS:
        return []
    rng = np.random.default_rng([seed, 108])
    mesh = load_base_mesh()
    skull = points[(mesh.points[:, 1] > 7.6) & (mesh.points[:, 1] < 8.1)]
    low, high = skull.min(axis=0), skull.max(axis=0)
    middle, wide, deep = (low + high) / 2, (high - low)[0] / 2 + 0.06, (high - low)[2] / 2 + 0.06
    profile = HATS[scene.hat].reshape(2, -1).T
    around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    height = 7.38 + (profile[:, 1] + rng.uniform(-0.06, 0.08)) * 0.74
    radius = profile[:, :1] * np.ones_like(around)
    if scene.hat == "crown":
        height = np.repeat(height[:, None], 48, axis=1)
        height[-1] -= 0.25 * (np.arange(48) % 8 / 4 - 1).__abs__()
    else:
        height = np.repeat(height[:, None], 48, axis=1)
    tilt = rng.uniform(-0.15, 0.05) if scene.hat != "party hat" else rng.uniform(-0.1, 0.2)
    lifted = points[mesh.points[:, 1] > 7.8][:, 1].max() - 8.49
    grid = np.stack([radius * wide * np.sin(around), height + lifted - tilt * radius * np.cos(around) * 0.4,
                     middle[2] + radius * deep * np.cos(around)], axis=2)  # fmt: skip
    plain = {"crown": (212, 170, 60), "straw hat": (214, 184, 120), "top hat": None}
    colour = decode(plain.get(scene.hat) or FABRIC[scene.hat_colour]) * rng.uniform(0.55, 1.0)
    flat = grid.reshape(-1, 3)
    ribs = 1 + 0.12 * np.sin(np.tile(around, len(profile)) * 24) * (scene.hat == "beanie")
    colours = colour * ribs[:, None] * np.ones((len(flat), 3))
    gloss = 2.0 if scene.hat == "crown" else 0.15
    pieces = [Piece(flat, np.ones(len(flat)), lay_grid(grid), colours, labels.HAT, gloss)]
    if scene.hat == "cap":
        pieces.append(_add_visor(colour, wide, deep, middle, height[0, 0] + lifted, rng))
    return pieces


def _add_visor(colour, wide, deep, middle, height, rng) -> Piece:
    angle = np.linspace(-1.15, 1.15, 17)
    reach = np.linspace(0, 1, 6)[:, None]
    length = rng.uniform(0.5, 0.75) * np.cos(angle * 1.2).clip(0, None) ** 0.5
    grid = np.stack([(1.06 + 0.02 * reach) * wide * np.sin(angle) + 0 * reach,
                     height + 0.02 - 0.22 * reach * np.cos(angle) - 0.10 * (1 - np.cos(angle)),
                     middle[2] + 1.06 * deep * np.cos(angle) + reach * length], axis=2)  # fmt: skip
    flat = grid.reshape(-1, 3)
    colours = np.repeat((colour * 0.9)[None], len(flat), axis=0)
    return Piece(flat, np.ones(len(flat)), lay_grid(grid, closed=False), colours, labels.HAT, 0.2)


def put_on_glasses(person: Person, points: np.ndarray, eyes: np.ndarray, seed: int) -> list[Piece]:
    """A frame of wire or plastic in front of the eyes [2, 3], the left of the picture first."""
    if person.glasses == "none":
        return []
    rng = np.random.default_rng([seed, 109])
    thick = rng.choice((0.014, 0.022, 0.04))
    frames = ((30, 26, 26), (60, 36, 22), (120, 90, 60), (150, 150, 155), (170, 130, 60), (90, 30, 30), (40, 50, 90))
    colour = decode(frames[int(rng.integers(len(frames)))])
    half = abs(eyes[1, 0] - eyes[0, 0]) / 2
    base = load_base_mesh().points
    bridge = points[(abs(base[:, 0]) < 0.05) & (abs(base[:, 1] - 7.22) < 0.05)]
    z = bridge[:, 2].max() + 0.06
    y = eyes[:, 1].mean() + rng.uniform(-0.06, 0.02)
    wide, high = half * rng.uniform(0.70, 0.80), half * rng.uniform(0.52, 0.75)
    around = np.linspace(0, 2 * np.pi, 33)
    power = 2.0 if person.glasses == "round" else rng.uniform(3.5, 7)
    if person.glasses == "round":
        high = wide * rng.uniform(0.88, 1.0)
    cosine, sine = np.cos(around), np.sin(around)
    lens = np.stack(
        [wide * np.sign(cosine) * abs(cosine) ** (2 / power), high * np.sign(sine) * abs(sine) ** (2 / power)], 1
    )
    wires = []
    for eye in (-1, 1):
        x = eye * half + lens[:, 0]
        wires.append(np.stack([x, y + lens[:, 1], z - 0.10 * (abs(x) / 0.5) ** 2], axis=1))
        outer = eye * (half + wide)
        ear = np.median(points[(base[:, 0] * eye > 0.72) & (abs(base[:, 1] - 7.3) < 0.06)], axis=0)
        hinge = (outer, y + 0.4 * high, z - 0.10 * (abs(outer) / 0.5) ** 2)
        wires.append(np.array([hinge, ear * (1.03, 1, 1) + (0, 0.03, 0.25), ear - (0, 0.02, 0.05)]))
    inner = half - wide
    arch = np.linspace(-1, 1, 7)
    wires.append(np.stack([arch * inner, y + 0.25 * high + 0.05 * (1 - arch**2), z + 0.02 + 0 * arch], axis=1))
    return [_bend(wire, thick * (1 if number % 2 == 0 else 0.8), colour) for number, wire in enumerate(wires)]


def _bend(wire: np.ndarray, thick: float, colour: np.ndarray) -> Piece:
    """A tube around a line of places [N, 3]."""
    along = np.gradient(wire, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.cross(along, (0.1, 0.2, 1.0))
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    third = np.cross(along, across)
    angle = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    ring = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * third[:, None]
    grid = wire[:, None] + thick * ring
    flat = grid.reshape(-1, 3)
    return Piece(flat, np.ones(len(flat)), lay_grid(grid), np.repeat(colour[None], len(flat), 0), labels.GLASSES, 1.5)
