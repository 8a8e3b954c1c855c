"""`python -m benchmarks.second_sources PHOTOS --face-package FOLDER --dlib FOLDER`: dlib beside InsightFace's formats.

PHOTOS holds a folder of photos per person; in "groups" nobody is named, and two faces of one photo are two people.
With --landmarks, dlib's shape_predictor_68_face_landmarks.dat, the eyes and mouth that are drawn by the detector's
landmarks are compared with its outlines; with --face-parser too, it is counted where they stand in.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from consistentid.dataset.run import list_photos
from consistentid.face.cascade import measure_overlap
from consistentid.face.face import Face, require_embedding
from consistentid.face.framing import crop_square, surround_head
from consistentid.face.landmark_regions import add_missing
from consistentid.face.package import load_face_analysis
from consistentid.face.parsing import load_face_parser
from consistentid.face.photo import open_photo
from consistentid.face.search import detect_faces
from consistentid.face.selection import select_face

from .real_photos import GROUPS, PARTS, SIDE_PX, _spread, find_outline, measure_width

SAME_FACE = 0.3  # common area of two boxes, by intersection over union
LEAST_WIDTH_PX = 60
MOUTH = range(48, 60)
Large = list[tuple[np.ndarray, Face, np.ndarray]]
"""Photos, their large faces and those landmarks."""
FEATURES = {"eyes": ((4, 5), (PARTS["Left_Eye"], PARTS["Right_Eye"])), "mouth": ((12, 13), (MOUTH,))}


def main() -> None:
    args = _parse()
    names = list_photos(args.photos, args.photos / "none")
    photos = {name: open_photo(args.photos / name) for name in names}
    found = find_all(args.face_package, photos)
    seen = find_all(args.dlib, photos)
    print_found(found, seen)
    print_likeness(photos, found, "other recogniser, its faces")
    print_likeness(photos, seen, "dlib, its faces")
    if args.landmarks:
        large = [
            (photos[name], face, face.landmarks)
            for name in found
            for face in found[name]
            if face.landmarks is not None and measure_width(face) >= LEAST_WIDTH_PX
        ]
        print_ellipses(args.landmarks, large)
        if args.face_parser:
            print_added(load_face_parser(args.face_parser), large, args.side_px)


def find_all(package: Path, photos: dict[str, np.ndarray]) -> dict[str, list[Face]]:
    analysis = load_face_analysis(package, "CPU")
    return {name: detect_faces(analysis, photo, any_recogniser=True) for name, photo in photos.items()}


def print_found(found: dict[str, list[Face]], seen: dict[str, list[Face]]) -> None:
    """SEARCHED_PX and LIMIT of dlib_models.py."""
    both = {
        name: sum(any(_is_same(one, other) for other in seen[name]) for one in faces) for name, faces in found.items()
    }
    alone = sum(not any(_is_same(one, other) for other in found[name]) for name, faces in seen.items() for one in faces)
    total = sum(map(len, found.values()))
    print(f"{len(found)} photos, {total} faces; dlib finds {sum(both.values())}, and {alone} that the other does not")
    missed = [name for name, count in both.items() if found[name] and not count]
    print(f"photos in which dlib finds none of them: {', '.join(missed) or 'none'}")


def print_likeness(photos: dict[str, np.ndarray], found: dict[str, list[Face]], title: str) -> None:
    """SCALE of dlib_models.py: two photos of one person, strangers, two people in one group."""
    chosen = {name: select_face(faces, photos[name]) for name, faces in found.items() if faces}
    named = {name: face for name, face in chosen.items() if not _is_group(name)}
    groups = [faces for name, faces in found.items() if _is_group(name)]
    same, strangers, company = [], [], []
    for name, other in combinations(named, 2):
        kin = same if Path(name).parts[0] == Path(other).parts[0] else strangers
        kin.append(_compare(named[name], named[other]))
    strangers += [_compare(one, two) for one in named.values() for faces in groups for two in faces]
    company += [_compare(one, two) for faces in groups for one, two in combinations(faces, 2)]
    others = np.array(strangers + company)
    order = (np.array(same)[:, None] > others).mean()
    most = f"two people {others.max():.2f} at most"
    print(
        f"{title}: one person {_spread(same)}, strangers {_spread(strangers)}, in one group {_spread(company)}, {most}"
    )
    print(f"  one person before two people in {order:.2%} of draws")


def print_ellipses(predictor_file: Path, large: Large) -> None:
    """The sizes in landmark_regions.py, where a parser sees nothing but skin."""
    import dlib

    predictor = dlib.shape_predictor(str(predictor_file))
    shares = {word: ([], []) for word in FEATURES}
    for photo, face, landmarks in large:
        square = surround_head(photo, face.box)
        filled, _ = add_missing(np.ones((SIDE_PX, SIDE_PX), np.uint8), square, landmarks)
        places = (find_outline(predictor, photo, face) - square[:2]) * (SIDE_PX / (square[2] - square[0]))
        for word, (labels, outlines) in FEATURES.items():
            image, drawn = Image.new("1", (SIDE_PX, SIDE_PX)), np.isin(filled, labels)
            for outline in outlines:
                ImageDraw.Draw(image).polygon([tuple(places[place]) for place in outline], fill=True)
            common = (np.asarray(image) & drawn).sum()
            shares[word][0].append(common / max(1, np.asarray(image).sum()))
            shares[word][1].append(common / max(1, drawn.sum()))
    for word, (covered, filled) in shares.items():
        print(f"{word} by landmarks: cover {_spread(covered)} of the outline, which fills {_spread(filled)} of them")


def print_added(parser, large: Large, side_px: int) -> None:
    counts = {word: [0, 0] for word in FEATURES}
    for photo, face, landmarks in large:
        square = surround_head(photo, face.box)
        labels = parser.parse(crop_square(photo, square), side_px)
        added = add_missing(labels, square, landmarks)[1]
        for word, (values, _) in FEATURES.items():
            counts[word][0] += not np.isin(labels, values).any()
            counts[word][1] += word in added
    for word, (missing, added) in counts.items():
        print(f"{word}: the parser misses {missing} of {len(large)}, the landmarks give {added} of them")


def _is_group(name: str) -> bool:
    return Path(name).parts[0] == GROUPS


def _compare(face: Face, other: Face) -> float:
    return float(require_embedding(face) @ require_embedding(other))


def _is_same(face: Face, other: Face) -> bool:
    return measure_overlap(tuple(face.box), tuple(other.box)) > SAME_FACE


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.second_sources", description=__doc__)
    parser.add_argument("photos", type=Path, help="folder with a folder of photos for each person")
    parser.add_argument("--face-package", type=Path, required=True, help="detector and a 512-d recogniser, ONNX")
    parser.add_argument("--dlib", type=Path, required=True, help="folder with dlib's two files")
    parser.add_argument("--landmarks", type=Path, help="dlib's shape_predictor_68_face_landmarks.dat")
    parser.add_argument("--face-parser", type=Path, help="BiSeNet file")
    parser.add_argument("--side-px", type=int, default=SIDE_PX, help="size the parser gets (default: 512)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
