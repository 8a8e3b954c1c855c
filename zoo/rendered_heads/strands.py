"""Strands of hair, and where they are planted."""

from dataclasses import dataclass

import numpy as np

from .assets import load_base_mesh
from .regions import read_mask


@dataclass(frozen=True, eq=False)
class Strands:
    """points: [N, K, 3] of a person at rest. shades: [N], how bright each is. width: in dm."""

    points: np.ndarray
    shades: np.ndarray
    width: float

    def measure_follow(self) -> np.ndarray:
        """How far points [N * K] follow a turn of the head: those on the shoulders hardly."""
        return ((self.points[..., 1].ravel() - 5.6) / 0.9).clip(0, 1)

    def thin_out(self, size: float) -> "Strands":
        """Fewer and wider strands for a head of a small size in the picture."""
        share = float(np.clip(size / 0.6, 0.35, 1))
        kept = np.random.default_rng(len(self.points)).random(len(self.points)) < share
        return Strands(self.points[kept], self.shades[kept], self.width / share)


def plant(points: np.ndarray, chosen, count: int, rng: np.random.Generator):
    """Roots all over the skin where `chosen` says so: places on the base mesh, places, normals; each [N, 3]."""
    mesh = load_base_mesh()
    corners = mesh.points[mesh.triangles]
    near = (mesh.parts == 0) & (corners[:, 0, 1] > 5.9)
    ears = read_mask("ears", mesh.corners.mean(axis=1)) > 0.3
    near &= ~(ears & (abs(corners[:, 0, 0]) > 0.7))
    owners = np.flatnonzero(near)
    corners = corners[owners]
    owners = owners[chosen(corners.reshape(-1, 3)).reshape(-1, 3).any(axis=1)]
    if not len(owners):
        return (np.zeros((0, 3)),) * 3
    corners = mesh.points[mesh.triangles[owners]]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    picked = rng.choice(len(owners), count * 2, p=area / area.sum())
    shares = rng.dirichlet((1, 1, 1), count * 2)[..., None]
    rest = (corners[picked] * shares).sum(axis=1)
    kept = np.flatnonzero(chosen(rest))[:count]
    moved = points[mesh.triangles[owners[picked[kept]]]]
    normals = np.cross(moved[:, 1] - moved[:, 0], moved[:, 2] - moved[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return rest[kept], (moved * shares[kept]).sum(axis=1), normals
