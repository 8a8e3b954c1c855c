"""What a camera makes of light: a frame, an exposure, and its faults."""

from dataclasses import dataclass

import numpy as np

from .colour import encode

HEAD_HEIGHT = 2.3
"""Of a usual head, chin to skull, in dm."""
MIDDLE = np.array([0.0, 7.28, 1.0], np.float32)
"""Between the eyes of a usual head at rest."""
NECK = np.array([0.0, 6.35, 0.35], np.float32)
"""Around which a head turns."""


@dataclass(frozen=True, eq=False)
class Pose:
    """head, body: [3, 3], how they are turned. distance: of the camera, in dm. scale: pixels of a dm at distance 1.

    middle: [2], where the point between the eyes is in the picture.
    """

    head: np.ndarray
    body: np.ndarray
    distance: float
    scale: float
    middle: np.ndarray

    def turn(self, points: np.ndarray, follow: np.ndarray) -> np.ndarray:
        """Places [N, 3] at rest -> in front of the camera, whose eye is at (0, 0, distance) and looks to -z."""
        turned = _turn_by(_find_axis(self.head), follow, points - NECK) + NECK
        return ((turned - NECK) @ self.body.T.astype(np.float32) + NECK - self._find_eyes()).astype(np.float32)

    def turn_normals(self, normals: np.ndarray, follow: np.ndarray) -> np.ndarray:
        return _turn_by(_find_axis(self.head), follow, normals) @ self.body.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """Turned places [..., 3] -> x and y in pixels, and depth."""
        depth = self.distance - points[..., 2]
        x = self.middle[0] + self.scale * points[..., 0] / depth
        y = self.middle[1] - self.scale * points[..., 1] / depth
        return np.stack([x, y, depth], axis=-1).astype(np.float32)

    def _find_eyes(self) -> np.ndarray:
        return ((MIDDLE - NECK) @ self.head.T) @ self.body.T + NECK


def rotate(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """In degrees: to the right of the picture, up, and clockwise."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in np.radians([yaw, -pitch, -roll]))
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return around_z @ around_y @ around_x


def develop(light: np.ndarray, rng: np.random.Generator, side_px: int) -> np.ndarray:
    """Linear light [S, S, 3] -> RGB uint8 [side_px, side_px, 3], with the faults of cameras and files."""
    import cv2

    light = light * np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    if rng.random() < 0.3:
        across = np.linspace(-1, 1, len(light), dtype=np.float32) ** 2
        light = light * (1 - rng.uniform(0, 0.35) * (across[:, None] + across[None]) / 2)[..., None]
    light = _bloom(light, rng)
    image = encode(cv2.resize(light.astype(np.float32), (side_px, side_px), interpolation=cv2.INTER_AREA))
    image = _grade(image, rng)
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < 0.06:
        kernel = cv2.getRotationMatrix2D((4, 4), rng.uniform(0, 180), 1)
        line = cv2.warpAffine(np.pad(np.ones((1, 9), np.float32), ((4, 4), (0, 0))), kernel, (9, 9))
        image = cv2.filter2D(image, -1, line / line.sum())
    if rng.random() < 0.6:
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        if rng.random() < 0.5:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 2
        image = (image + rng.uniform(1, 9) * grain).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        image = cv2.addWeighted(image, 1.6, cv2.GaussianBlur(image, (0, 0), 1.2), -0.6, 0)
    if rng.random() < 0.7:
        quality = int(rng.integers(25, 96))
        packed = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return image


def _bloom(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    import cv2

    if rng.random() > 0.3:
        return light
    glow = cv2.GaussianBlur(light.astype(np.float32), (0, 0), len(light) * 0.03)
    return light + rng.uniform(0.02, 0.15) * (glow - 0.3 * light)


def _grade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast and saturation as people like them; a few pictures are grey or brown."""
    grey = image.mean(axis=2, keepdims=True)
    chance = rng.random()
    saturation = 0.0 if chance < 0.06 else rng.uniform(0.7, 1.25)
    graded = grey + saturation * (image - grey)
    contrast = rng.uniform(0.8, 1.3)
    graded = 128 + contrast * (graded - 128) + rng.normal(0, 8)
    if chance < 0.015:
        graded = graded * (1.05, 0.95, 0.78)
    return graded.clip(0, 255).astype(np.uint8)


def _find_axis(matrix: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(matrix).as_rotvec().astype(np.float32)


def _turn_by(axis: np.ndarray, share: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] turned around an axis by shares [N] of its length (Rodrigues)."""
    angle = np.linalg.norm(axis)
    if angle < 1e-9:
        return vectors
    vectors, share = vectors.astype(np.float32), share.astype(np.float32)
    unit, turn = axis / angle, (angle * share)[:, None]
    along = (vectors @ unit)[:, None] * unit
    return vectors * np.cos(turn) + np.cross(unit, vectors) * np.sin(turn) + along * (1 - np.cos(turn))
