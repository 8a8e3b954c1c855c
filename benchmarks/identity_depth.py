"""`python -m benchmarks.identity_depth FOLDER`: what the class token knows behind each block of an encoder like MSID.

FOLDER holds msid (.pt or .safetensors). On drawn faces of held-out people: "identity" is how often the nearest other
picture shows the same person; "expression" how often a linear map that saw other people names the right one; "turn"
the part of the head's yaw and pitch that such a map explains. Last the features, of all depths together. The question
is that of arXiv 2403.05094, section 3.2: which depths know who it is, and which the pose and expression as well.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from consistentid.face.face import align_landmarks
from consistentid.face2diffusion.encoder import load_msid, prepare_pixels
from consistentid.face2diffusion.msid import MSIDEncoder
from zoo.drawn_faces import Scene, choose_scene, draw_portrait, sample_person
from zoo.drawn_faces.face.expression import EXPRESSIONS

FIRST, SCENES, SIDE_PX = 6000, 8, 256
FOLDS = 5
RIDGE = 1.0
"""Weight decay of the linear maps, on tokens scaled to a spread of 1."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.identity_depth", description=(__doc__ or "")[:90])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=60)
    args = parser.parse_args()
    encoder = load_msid(args.folder)
    scenes, depths = read_faces(encoder, args.people)
    usual = max(np.bincount([list(EXPRESSIONS).index(scene.expression) for scene in scenes])) / len(scenes)
    print(f"{len(scenes)} pictures of {args.people} held-out people; the usual expression is {usual:.2f} of all\n")
    print("| behind block | identity | expression | turn |\n|---|---|---|---|")
    for title, tokens in depths.items():
        print(f"| {title} | {' | '.join(f'{score:.2f}' for score in judge(tokens, scenes))} |")


@torch.inference_mode()
def read_faces(encoder: MSIDEncoder, people: int) -> tuple[list[Scene], dict[str, np.ndarray]]:
    """Scenes person by person, and {depth: tokens [N, D]}; blocks that are read are marked."""
    scenes, rows = [], []
    for seed in range(FIRST, FIRST + people):
        person = sample_person(seed, held_out=True)
        for number in range(SCENES):
            scenes.append(choose_scene(seed, SCENES, number, held_out=True))
            portrait = draw_portrait(person, scenes[-1], SIDE_PX)
            pixels = prepare_pixels(align_landmarks(portrait.image, portrait.landmarks))
            rows.append([*encoder.list_class_tokens(pixels), encoder(pixels)])
    marks = {tap: " (read)" for tap in encoder.sizes.taps}
    titles = [*(f"{number + 1}{marks.get(number, '')}" for number in range(encoder.sizes.depth)), "all that are read"]
    return scenes, {title: torch.cat([row[n] for row in rows]).numpy() for n, title in enumerate(titles)}


def judge(tokens: np.ndarray, scenes: list[Scene]) -> tuple[float, float, float]:
    """Identity, expression and turn, of tokens [N, D] person by person."""
    scaled = (tokens - tokens.mean(0)) / (tokens.std(0) + 1e-9)
    people = np.arange(len(scenes)) // SCENES
    unit = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    cosines = unit @ unit.T - 2 * np.eye(len(unit))
    identity = float((people[cosines.argmax(1)] == people).mean())
    names = list(EXPRESSIONS)
    shown = np.eye(len(names))[[names.index(scene.expression) for scene in scenes]]
    expression = float((predict(scaled, shown, people).argmax(1) == shown.argmax(1)).mean())
    turn = np.array([(scene.yaw, scene.pitch) for scene in scenes])
    left = ((turn - predict(scaled, turn, people)) ** 2).sum(0) / ((turn - turn.mean(0)) ** 2).sum(0)
    return identity, expression, float(1 - left.mean())


def predict(tokens: np.ndarray, targets: np.ndarray, people: np.ndarray) -> np.ndarray:
    """What a linear map that was fitted to other people says of each, [N, T]."""
    said = np.zeros_like(targets, dtype=float)
    for fold in range(FOLDS):
        is_seen = people % FOLDS != fold
        seen, wanted = tokens[is_seen], targets[is_seen]
        gram = seen.T @ seen + RIDGE * len(seen) * np.eye(seen.shape[1])
        weights = np.linalg.solve(gram, seen.T @ (wanted - wanted.mean(0)))
        said[~is_seen] = tokens[~is_seen] @ weights + wanted.mean(0)
    return said


if __name__ == "__main__":
    main()
