"""Short hair on the face: brows and beards."""

import numpy as np

from zoo.drawn_faces import Person

from .regions import measure_beard, measure_brow
from .skin import Looks
from .strands import Strands, plant


def grow_brows(person: Person, looks: Looks, points: np.ndarray, seed: int) -> Strands:
    rng = np.random.default_rng([seed, 105])
    inside = lambda rest: measure_brow(rest, looks.brow_height, looks.brow_arch, looks.brow_width) > 0.1  # noqa: E731
    rest, roots, normals = plant(points, inside, int(380 * looks.brow_width / 0.034), rng)
    side = np.sign(rest[:, :1])
    outer = ((abs(rest[:, :1]) - 0.1) / 0.4).clip(0, 1)
    comb = np.concatenate([side * (0.35 + 0.65 * outer), 0.85 - 1.05 * outer, 0 * side], axis=1)
    return _stubble(roots, normals, comb, rng.uniform(0.04, 0.08, len(roots)), 0.2, rng)


def grow_beard(person: Person, looks: Looks, points: np.ndarray, seed: int) -> Strands | None:
    if person.beard in ("none", "stubble"):
        return None
    rng = np.random.default_rng([seed, 106])

    def inside(rest):
        jaw, moustache, goatee = measure_beard(rest)
        shown = {"moustache": moustache, "goatee": np.maximum(0.8 * moustache, goatee)}
        return shown.get(person.beard, np.maximum(jaw, moustache)) > rng.random(len(rest)) * 0.7 + 0.15

    rest, roots, normals = plant(points, inside, 3800 if person.beard == "full beard" else 1300, rng)
    _, moustache, _ = measure_beard(rest)
    long = rng.uniform(0.10, 0.5) if person.beard == "full beard" else rng.uniform(0.1, 0.25)
    length = np.where(moustache > 0.3, 0.13, long * ((6.75 - rest[:, 1]) / 0.4).clip(0.35, 1))
    length *= rng.uniform(0.7, 1.2, len(roots))
    side = np.sign(rest[:, 0]) * (moustache > 0.3) * 1.1
    comb = np.stack([side, np.full(len(roots), -1.0), np.full(len(roots), 0.15)], axis=1)
    return _stubble(roots, normals, comb, length, 0.5, rng)


def _stubble(roots, normals, comb, length, lift: float, rng) -> Strands:
    along = comb - (comb * normals).sum(axis=1, keepdims=True) * normals
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    heading = along + lift * normals + rng.normal(0, 0.22, roots.shape)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
    share = np.linspace(0, 1, 5)[None, :, None]
    bend = along - normals * 0.15
    path = roots[:, None] + length[:, None, None] * (
        heading[:, None] * share * (1 - 0.3 * share) + bend[:, None] * 0.3 * share**2
    )
    return Strands(
        path.astype(np.float32), (1 + rng.normal(0, 0.15, len(roots))).clip(0.5, 1.6).astype(np.float32), 0.012
    )
