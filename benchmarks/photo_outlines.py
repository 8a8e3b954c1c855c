"""`python benchmarks/photo_outlines.py HEADS`: outlines of faces by MediaPipe, as truth for benchmarks.parsing.

For an environment of its own with mediapipe==0.10.14 (numpy < 2); imports nothing of this project. HEADS holds pictures
of one head each; HEADS/outlines.json gets {name: {part: [[x, y], ...] in shares of the picture}}.
"""

import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np
from mediapipe.python.solutions import face_mesh, face_mesh_connections  # pyright: ignore[reportMissingImports]
from PIL import Image

LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INSIDE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
PARTS = {
    "face": face_mesh_connections.FACEMESH_FACE_OVAL,
    "left eye": face_mesh_connections.FACEMESH_RIGHT_EYE,
    "right eye": face_mesh_connections.FACEMESH_LEFT_EYE,
    "nose": face_mesh_connections.FACEMESH_NOSE,
}
"""Left as seen in the picture. Their hulls; of lips, the outline."""


def main(folder: Path) -> None:
    mesh = face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.3)
    outlines = {}
    for path in sorted(folder.glob("*.png")):
        found = mesh.process(np.asarray(Image.open(path).convert("RGB"))).multi_face_landmarks
        if not found:
            print(f"{path.name}: no face")
            continue
        points = np.array([(point.x, point.y) for point in found[0].landmark])
        outlines[path.name] = {name: find_hull(points[sorted(set(chain(*edges)))]) for name, edges in PARTS.items()}
        outlines[path.name] |= {"lips": points[list(LIPS)].tolist(), "inside": points[list(INSIDE)].tolist()}
    (folder / "outlines.json").write_text(json.dumps(outlines))
    print(f"{len(outlines)} faces")


def find_hull(points: np.ndarray) -> list:
    import cv2

    return cv2.convexHull(points.astype(np.float32))[:, 0].tolist()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
