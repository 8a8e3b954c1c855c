"""`python -m benchmarks.expression`: whether expression codes tell expressions, not people, on drawn faces.

Held-out people, each with every expression, in scenes of their own. "told": the share of (face, the same expression of
another person, another expression of the same person) in which the former of the two is nearer; "found": how often the
nearest face of another person has the same expression. Distances count every number of a code in its own spread.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from consistentid.face.parsing import load_face_parser
from consistentid.face2diffusion.expression import measure_expression
from zoo.drawn_faces import Portrait, choose_scene, draw_portrait, sample_person
from zoo.drawn_faces.face.expression import EXPRESSIONS

ROOT = Path(__file__).resolve().parents[1]
FIRST = 5000
SIDE_PX = 256


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expression", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--face-parser", type=Path, default=ROOT / "zoo" / "models" / "face_parsing.safetensors")
    args = parser.parse_args()
    portraits = draw_faces(args.people)
    network = load_face_parser(args.face_parser)
    codes: dict[str, Callable[[Portrait], np.ndarray]] = {
        "true regions": lambda drawn: measure_expression(drawn.labels, drawn.landmarks).numpy(),
        "parsed regions": lambda drawn: measure_expression(
            network.parse(drawn.image, SIDE_PX), drawn.landmarks
        ).numpy(),
        "five landmarks": place_landmarks,
    }
    print(f"{len(portraits)} faces of {args.people} held-out people\n\n| code | told | found |\n|---|---|---|")
    for title, measure in codes.items():
        told, found = judge(np.stack([measure(portrait) for portrait in portraits]))
        print(f"| {title} | {told:.3f} | {found:.3f} |", flush=True)


def draw_faces(people: int) -> list[Portrait]:
    """Person by person, each with EXPRESSIONS in their order."""
    portraits = []
    for seed in range(FIRST, FIRST + people):
        person = sample_person(seed, held_out=True)
        for number, name in enumerate(EXPRESSIONS):
            scene = choose_scene(seed, len(EXPRESSIONS), number, held_out=True)
            portraits.append(draw_portrait(person, replace(scene, expression=name), SIDE_PX))
    return portraits


def place_landmarks(portrait: Portrait) -> np.ndarray:
    """Nose and corners of the mouth, seen from between the eyes, in distances of the eyes."""
    landmarks = portrait.landmarks.astype(np.float64)
    across = landmarks[1] - landmarks[0]
    turn = np.array([[across[0], -across[1]], [across[1], across[0]]]) / (across @ across)
    return ((landmarks[2:] - landmarks[:2].mean(0)) @ turn).ravel()


def judge(codes: np.ndarray) -> tuple[float, float]:
    """Told and found, of codes [N, E] in the order of `draw_faces`."""
    scaled = (codes - codes.mean(0)) / (codes.std(0) + 1e-9)
    apart = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    rows = np.arange(len(codes))
    person, expression = rows // len(EXPRESSIONS), rows % len(EXPRESSIONS)
    told, found = [], []
    for row in rows:
        is_other = person != person[row]
        alike = apart[row][is_other & (expression == expression[row])]
        own = apart[row][~is_other & (rows != row)]
        told.append((alike[:, None] < own).mean())
        found.append(expression[is_other][apart[row][is_other].argmin()] == expression[row])
    return float(np.mean(told)), float(np.mean(found))


if __name__ == "__main__":
    main()
