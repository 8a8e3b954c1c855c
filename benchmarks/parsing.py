"""How well a face parser, trained without photos, tells parts of faces in photos.

`python -m benchmarks.parsing cut PHOTOS HEADS --face-package FOLDER` cuts out heads as the identity stage does;
`python benchmarks/photo_outlines.py HEADS`, in MediaPipe's environment, outlines their faces;
`python -m benchmarks.parsing measure HEADS FILE... --side-px 256` prints intersection over union for each parser.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from consistentid.dataset.run import list_photos
from consistentid.face.framing import crop_square, surround_head
from consistentid.face.package import load_face_analysis
from consistentid.face.parsing import LABELS, load_face_parser
from consistentid.face.photo import open_photo
from consistentid.face.search import detect_faces

HEAD_PX = 512
LEAST_WIDTH_PX = 40
TOLD = {
    "face": ("skin", "l_brow", "r_brow", "l_eye", "r_eye", "glasses", "nose", "mouth", "u_lip", "l_lip"),
    "eyes": ("l_eye", "r_eye"),
    "nose": ("nose",),
    "mouth": ("mouth", "u_lip", "l_lip"),
    "lips": ("u_lip", "l_lip"),
}
"""Labels of the parts; a mouth is what lips enclose."""


def main() -> None:
    args = _parse()
    if args.command == "cut":
        cut_heads(args.photos, args.heads, args.face_package)
    else:
        outlines = json.loads((args.heads / "outlines.json").read_text())
        print(f"{len(outlines)} faces of at least {LEAST_WIDTH_PX} px, at {args.side_px} px")
        for path in args.parsers:
            shares = measure_parser(load_face_parser(path), args.heads, outlines, args.side_px)
            print(path)
            for group in sorted({name.rsplit("_", 1)[0] for name in outlines}):
                rows = [shares[name] for name in outlines if name.rsplit("_", 1)[0] == group]
                means = ", ".join(f"{part} {np.mean([row[part] for row in rows]):.3f}" for part in TOLD)
                print(f"  {group}, {len(rows)} faces: {means}")


def cut_heads(photos: Path, heads: Path, package: Path) -> None:
    analysis = load_face_analysis(package, "CPU")
    heads.mkdir(parents=True, exist_ok=True)
    count = 0
    for name in list_photos(photos, photos / "none"):
        photo = open_photo(photos / name)
        for face in detect_faces(analysis, photo, any_recogniser=True):
            if face.box[2] - face.box[0] < LEAST_WIDTH_PX:
                continue
            head = Image.fromarray(crop_square(photo, surround_head(photo, face.box)))
            head.resize((HEAD_PX, HEAD_PX), Image.Resampling.BICUBIC).save(
                heads / f"{Path(name).parts[0]}_{count:03d}.png"
            )
            count += 1
    print(f"{count} heads")


def measure_parser(parser, heads: Path, outlines: dict, side_px: int) -> dict[str, dict[str, float]]:
    """Intersection over union of each part of every head."""
    shares = {}
    for name, outline in outlines.items():
        labels = parser.parse(np.asarray(Image.open(heads / name).convert("RGB")), side_px)
        drawn = {part: _draw(shape, side_px) for part, shape in outline.items()}
        truth = {
            "face": drawn["face"],
            "eyes": drawn["left eye"] | drawn["right eye"],
            "nose": drawn["nose"],
            "mouth": drawn["lips"],
            "lips": drawn["lips"] & ~drawn["inside"],
        }
        shares[name] = {
            part: _compare(np.isin(labels, list(map(LABELS.index, TOLD[part]))), truth[part]) for part in TOLD
        }
    return shares


def _compare(told: np.ndarray, truth: np.ndarray) -> float:
    return float((told & truth).sum() / max((told | truth).sum(), 1))


def _draw(outline: list, side_px: int) -> np.ndarray:
    image = Image.new("1", (side_px, side_px))
    ImageDraw.Draw(image).polygon([(x * side_px, y * side_px) for x, y in outline], fill=True)
    return np.asarray(image)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parsing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    cut = commands.add_parser("cut", help="cut heads out of photos")
    cut.add_argument("photos", type=Path)
    cut.add_argument("heads", type=Path)
    cut.add_argument("--face-package", type=Path, required=True, help="detector and a 512-d recogniser, ONNX")
    measure = commands.add_parser("measure", help="compare parsers with the outlines")
    measure.add_argument("heads", type=Path)
    measure.add_argument("parsers", type=Path, nargs="+", help="BiSeNet files")
    measure.add_argument("--side-px", type=int, default=512, help="size a parser gets (default: 512)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
