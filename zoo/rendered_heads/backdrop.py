"""What may be behind people, out of focus."""

import numpy as np

from .colour import decode
from .noise import draw_clouds


def draw_backdrop(rng: np.random.Generator, side: int) -> np.ndarray:
    """Linear light [S, S, 3]: a wall, clouds of noise, things, lamps at night, or a landscape of the drawn faces."""
    import cv2

    kind = rng.choice(("plain", "clouds", "things", "lights", "drawn"), p=(0.25, 0.15, 0.35, 0.08, 0.17))
    first, second = (rng.uniform(0.02, 0.9) * np.exp(rng.normal(0, 0.15, 3)) for _ in range(2))
    slope = np.linspace(0, 1, side)[:, None, None] if rng.random() < 0.7 else np.linspace(0, 1, side)[None, :, None]
    picture = (first + slope * (second - first) * rng.random()) * np.ones((side, side, 1))
    picture = picture.astype(np.float32)
    if kind in ("clouds", "things"):
        clouds = np.stack([draw_clouds(rng, side, rng.uniform(1.1, 1.8)) for _ in range(2)], axis=2)
        tint = 1 + rng.normal(0, 0.2, (2, 3))
        picture = picture * np.exp(0.3 * (clouds * rng.uniform(0.1, 1.0, 2)) @ tint)
    if kind == "things":
        picture = _pile_things(picture, rng)
    if kind == "lights":
        picture *= 0.2
        for _ in range(int(rng.integers(8, 40))):
            place = tuple(int(value) for value in rng.integers(0, side, 2))
            colour = rng.uniform(0.2, 2) * np.exp(rng.normal(0, 0.5, 3))
            cv2.circle(picture, place, int(rng.integers(4, 26)), colour.tolist(), -1, cv2.LINE_AA)
    if kind == "drawn":
        picture = _draw_landscape(rng, side)
    blur = np.exp(rng.uniform(np.log(1.5), np.log(16)))
    return cv2.GaussianBlur(np.ascontiguousarray(picture, dtype=np.float32), (0, 0), blur)


def _pile_things(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Boards, boxes, windows and leaves: quadrilaterals and ellipses of any colour, some with edges and stripes."""
    import cv2

    side = len(picture)
    for _ in range(int(rng.integers(6, 40))):
        centre = rng.uniform(-0.1, 1.1, 2) * side
        size = np.exp(rng.uniform(np.log(0.03), np.log(0.5), 2)) * side
        colour = (rng.uniform(0.01, 1.0) * np.exp(rng.normal(0, 0.35, 3))).tolist()
        angle = rng.choice((0, 90, rng.uniform(0, 180)), p=(0.45, 0.3, 0.25))
        if rng.random() < 0.7:
            corners = cv2.boxPoints((tuple(centre), tuple(size), float(angle)))
            cv2.fillConvexPoly(picture, corners.astype(np.int32), colour, cv2.LINE_AA)
        else:
            axes, middle = (tuple(int(value) for value in pair) for pair in (size / 2 + 1, centre))
            cv2.ellipse(picture, middle, axes, float(angle), 0, 360, colour, -1, cv2.LINE_AA)
    return picture * np.exp(0.12 * draw_clouds(rng, side, 1.0))[..., None]


def _draw_landscape(rng: np.random.Generator, side: int) -> np.ndarray:
    import cv2

    from zoo.drawn_faces import sample_scene
    from zoo.drawn_faces.backgrounds.background import draw_background
    from zoo.drawn_faces.drawing.canvas import Canvas

    canvas = Canvas(192)
    draw_background(canvas, sample_scene(int(rng.integers(1 << 30))))
    picture = decode(canvas.finish()) * rng.uniform(0.4, 1.0)
    return cv2.resize(picture, (side, side)) * np.exp(0.25 * draw_clouds(rng, side, 1.1))[..., None]
