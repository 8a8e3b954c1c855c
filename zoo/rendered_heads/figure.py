"""Figures: a person at rest, and the same person in a scene, posed in front of a camera."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from zoo.drawn_faces import Person, Scene
from zoo.drawn_faces.drawing import labels

from . import glasses, hair, hats, stubble
from .assets import load_base_mesh
from .camera import HEAD_HEIGHT, Pose, rotate
from .clothes import choose_clothes, put_on_collar
from .mesh import LASHES, LEFT_EYE, RIGHT_EYE, find_marks, find_normals, list_face, list_part
from .shape import Shape, express, make_shape
from .skin import Looks, choose_looks
from .strands import Strands

EYE_RADIUS = np.array([0, 0, 0.14])


@dataclass(frozen=True, eq=False)
class Model:
    """A person at rest, with what no scene changes. seed: of what the person's words leave open."""

    person: Person
    seed: int
    shape: Shape
    looks: Looks
    strands: Strands | None


@lru_cache(maxsize=2)
def make_model(person: Person, seed: int) -> Model:
    shape = make_shape(person, seed)
    looks = choose_looks(person, shape.years, seed)
    return Model(person, seed, shape, looks, hair.grow_hair(person, looks, shape.points, seed))


class Figure:
    """A model in a scene. rest: vertices [V, 3] of the body with an expression and clothes; normals: theirs.

    world: vertices of body and pieces, one after the other, in front of the camera, the body's first and each piece's
    from `starts` on; solid: their triangles [T, 3]; owners: [T], 0 of the body, and two for each piece, front and back.
    hairs: [N, K, 3] in front of the camera, with the strands, their colour and their label.
    """

    def __init__(self, model: Model, scene: Scene, side: int, rng: np.random.Generator):
        self.model, self.scene, self.side = model, scene, side
        self.mesh = load_base_mesh()
        points = express(model.shape.points, scene.expression, scene.texture)
        self.clothes = choose_clothes(scene, scene.texture)
        self.rest = self.clothes.lay_over(points, find_normals(points, self.mesh.triangles))
        self.normals = find_normals(self.rest, self.mesh.triangles)
        self.pose, self.gaze = _choose_pose(scene, side, rng), _choose_gaze(scene, rng)
        self.pieces = [
            *put_on_collar(scene, self.rest, scene.texture),
            *hats.put_on_hat(scene, self.rest, scene.texture),
            *glasses.put_on_glasses(model.person, self.rest, self.find_eyes(), model.seed),
        ]
        self._pose_solids()
        self.hairs = [
            (
                self.pose.turn(grown.points.reshape(-1, 3), grown.measure_follow()).reshape(grown.points.shape),
                grown,
                *how,
            )
            for grown, *how in self._collect_strands()
        ]

    def find_eyes(self) -> np.ndarray:
        """Middles of the eyes at rest [2, 3], the left of the picture first."""
        return np.stack([self.rest[list_part(part)].mean(axis=0) for part in (RIGHT_EYE, LEFT_EYE)])

    def find_landmarks(self) -> np.ndarray:
        """Eyes, tip of the nose, corners of the mouth: [5, 2] in samples."""
        eyes = self.find_eyes() + EYE_RADIUS
        places = np.concatenate([eyes, self.rest[list(find_marks())]])
        return self.pose.project(self.pose.turn(places, np.ones(5)))[:, :2]

    def find_box(self) -> np.ndarray:
        face = list_face()
        outline = self.pose.project(self.pose.turn(self.rest[face], self.mesh.follow[face]))[:, :2]
        return np.concatenate([outline.min(axis=0), outline.max(axis=0)]).clip(0, self.side).astype(np.float32)

    def _pose_solids(self) -> None:
        mesh, pose = self.mesh, self.pose
        parts = [pose.turn(self.rest, mesh.follow)]
        parts += [pose.turn(piece.points, piece.follow) for piece in self.pieces]
        self.starts = np.cumsum([len(part) for part in parts])
        self.world = np.concatenate(parts)
        triangles = [mesh.triangles[~np.isin(mesh.parts, LASHES)]]
        for piece, start in zip(self.pieces, self.starts, strict=False):
            triangles += [piece.triangles + start, piece.triangles[:, ::-1] + start]
        self.owners = np.repeat(np.arange(len(triangles)), [len(part) for part in triangles])
        self.solid = np.concatenate(triangles)

    def _collect_strands(self) -> list[tuple[Strands, np.ndarray, int]]:
        model, person, looks = self.model, self.model.person, self.model.looks
        strands = [(stubble.grow_brows(person, looks, self.rest, model.seed), looks.brows, labels.LEFT_BROW)]
        beard = stubble.grow_beard(person, looks, self.rest, model.seed)
        if beard:
            strands.append((beard, looks.hair * 0.9, labels.SKIN))
        if model.strands:
            grown = hats.flatten_hair(model.strands, self.scene.hat)
            strands.append((grown.thin_out(self.scene.size), looks.hair, labels.HAIR))
        return strands


def _choose_pose(scene: Scene, side: int, rng: np.random.Generator) -> Pose:
    share = rng.uniform(0.0, 0.5)
    body = rotate(scene.yaw * share + rng.normal(0, 6), rng.normal(0, 3), rng.normal(0, 3))
    head = body.T @ rotate(scene.yaw, scene.pitch, scene.roll)
    distance = float(np.exp(rng.uniform(np.log(8), np.log(45))))
    scale = scene.size * side / HEAD_HEIGHT * distance
    return Pose(head, body, distance, scale, np.array(scene.centre) * side)


def _choose_gaze(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """At rest: mostly into the camera, as far as eyes can turn."""
    follow = rng.choice((0.0, 0.8), p=(0.35, 0.65))
    yaw = np.clip(scene.gaze[0] * 16 - follow * scene.yaw, -28, 28)
    pitch = np.clip(scene.gaze[1] * 10 - follow * scene.pitch, -16, 16)
    return rotate(yaw, pitch, 0) @ (0, 0, 1)
