"""A portrait: the picture and the truth about it."""

from dataclasses import dataclass

import numpy as np

from .backgrounds.background import draw_background
from .clothes.hats import draw_hat
from .clothes.outfit import draw_clothes, draw_hood
from .drawing.canvas import Canvas
from .drawing.easel import Easel
from .drawing.pose import Pose
from .face import head
from .face.beard import draw_beard
from .face.expression import EXPRESSIONS
from .face.eyes import draw_eyes, find_eye
from .face.glasses import draw_glasses
from .face.mouth import draw_mouth, find_corners
from .face.nose import draw_nose, find_tip
from .face.skin_marks import draw_skin_marks
from .hair.layers import draw_back_hair, draw_front_hair, draw_locks
from .person import Person
from .scene import Scene

HEAD_UNITS = 1.97
"""Height of a head in head units."""
TINTS = {
    "daylight": (1.03, 1.01, 0.98),
    "warm": (1.06, 1.0, 0.91),
    "cool": (0.98, 1.0, 1.04),
    "evening": (1.03, 0.92, 0.91),
}


@dataclass(frozen=True, eq=False)
class Portrait:
    """image: RGB uint8 [S, S, 3]. labels: uint8 [S, S], the 19 labels of CelebAMask-HQ, left as seen in the picture.

    landmarks: float32 [5, 2] in pixels: left eye, right eye, tip of the nose, left and right corner of the mouth, as
    seen in the picture; also where they are hidden. box: float32 [4], x0, y0, x1, y1 of the face, brow to chin.
    """

    image: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    box: np.ndarray


def draw_portrait(person: Person, scene: Scene, side_px: int) -> Portrait:
    """Draw a person in a scene; the same arguments give the same pixels."""
    canvas = Canvas(side_px)
    scale = scene.size * side_px / HEAD_UNITS
    centre = (scene.centre[0] * side_px, scene.centre[1] * side_px)
    easel = Easel(canvas, Pose(scene.yaw, scene.pitch, scene.roll, scale, centre), person, scene)
    draw_background(canvas, scene)
    _draw_body(easel)
    _draw_face(easel)
    _light(easel)
    return Portrait(canvas.finish(), canvas.labels, _find_landmarks(easel), _find_box(easel))


def _draw_body(easel: Easel) -> None:
    draw_hood(easel)
    draw_back_hair(easel)
    head.draw_neck(easel)
    draw_clothes(easel)
    draw_locks(easel)


def _draw_face(easel: Easel) -> None:
    head.draw_ears(easel)
    face = head.draw_head(easel, EXPRESSIONS[easel.scene.expression].drop)
    draw_skin_marks(easel, face)
    draw_beard(easel, face)
    draw_mouth(easel, face)
    draw_eyes(easel, face)
    draw_nose(easel, face)
    draw_front_hair(easel, face)
    draw_glasses(easel)
    draw_hat(easel)


def _light(easel: Easel) -> None:
    """Tint the picture, and brighten it towards the light."""
    canvas, scene = easel.canvas, easel.scene
    across = np.linspace(-1, 1, canvas.side_px, dtype=np.float32) * np.float32(scene.light_side)
    canvas.image *= np.asarray(TINTS[scene.light], dtype=np.float32)
    canvas.image *= (1 + 0.07 * across)[None, :, None]


def _find_landmarks(easel: Easel) -> np.ndarray:
    eyes = easel.pose.place_feature([find_eye(easel, -1), find_eye(easel, 1)])
    return np.concatenate([eyes, [find_tip(easel)], find_corners(easel)]).astype(np.float32)


def _find_box(easel: Easel) -> np.ndarray:
    outline = head.outline_head(easel, EXPRESSIONS[easel.scene.expression].drop)
    top = easel.pose.place_feature([(0, -0.62)])[0, 1]
    (x0, y0), (x1, y1) = outline.min(axis=0), outline.max(axis=0)
    box = np.array([x0, max(y0, top), x1, y1], dtype=np.float32)
    return box.clip(0, easel.canvas.side_px)
