"""Meshes: what lies between vertices, and which vertices of the base mesh are what."""

from functools import cache

import numpy as np

from .assets import PARTS, load_base_mesh

BODY, LEFT_EYE, RIGHT_EYE, *_ = range(len(PARTS))
"""Places in PARTS; left and right are the person's."""
TEETH = tuple(number for number, part in enumerate(PARTS) if "teeth" in part)
TONGUE = PARTS.index("helper-tongue")
LASHES = tuple(number for number, part in enumerate(PARTS) if "lashes" in part)


def find_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Of vertices [V, 3], the mean of their triangles'."""
    corners = points[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(points), 3))
    for axis in range(3):
        normals[:, axis] = np.bincount(triangles.ravel(), np.repeat(faces[:, axis], 3), len(points))
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)


def mix(values: np.ndarray, corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Values of vertices [V, C] at places in triangles with corners [N, 3], by their shares [N, 3]."""
    mixed = values[corners[:, 0]] * shares[:, :1]
    for corner in (1, 2):
        mixed += values[corners[:, corner]] * shares[:, corner : corner + 1]
    return mixed.astype(np.float32)


def normalise(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)


@cache
def list_part(part: int) -> np.ndarray:
    """Vertices of a place in PARTS."""
    mesh = load_base_mesh()
    return np.unique(mesh.triangles[mesh.parts == part])


@cache
def list_face() -> np.ndarray:
    """Vertices of the face, brow to chin."""
    mesh = load_base_mesh()
    x, y, z = mesh.points.T
    body = np.zeros(len(x), bool)
    body[list_part(BODY)] = True
    return np.flatnonzero(body & (y > 6.17) & (y < 7.75) & (z > 0.55) & (abs(x) < 0.8) & (mesh.follow > 0.8))


@cache
def find_marks() -> tuple[int, int, int]:
    """Vertices of the nose's tip and of the corners of the mouth."""
    skin = list_part(BODY)
    points = load_base_mesh().points[skin]
    wanted = ((0, 6.97, 1.75), (-0.25, 6.61, 1.42), (0.25, 6.61, 1.42))
    tip, left, right = (int(skin[np.linalg.norm(points - place, axis=1).argmin()]) for place in wanted)
    return tip, left, right
