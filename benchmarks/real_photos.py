"""`python -m benchmarks.real_photos PHOTOS --face-package FOLDER`: what the constants of the identity stage rest on.

PHOTOS holds a folder of photos per person; in "groups" nobody is named. With --landmarks, dlib's
shape_predictor_68_face_landmarks.dat (and the package dlib-bin), eyes and other features are measured too.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from consistentid.dataset.run import list_photos
from consistentid.errors import ConsistentIDError
from consistentid.face.face import CROP_PX, Face, align_landmarks, measure_sharpness
from consistentid.face.framing import HEAD_SCALE, crop_square, measure_seen, move_inside, surround_head
from consistentid.face.neighbours import keep_own
from consistentid.face.package import load_face_analysis
from consistentid.face.photo import open_photo
from consistentid.face.quality import SMALLEST_REGION
from consistentid.face.region_words import REGION_LABELS
from consistentid.face.regions import CLIP_SIZE_PX
from consistentid.face.search import detect_faces
from consistentid.face.selection import select_face

GROUPS = "groups"
SIDE_PX = 512
PARTS = {
    "Face": (*range(17), *range(26, 16, -1)),
    "Left_Eye": range(36, 42),
    "Right_Eye": range(42, 48),
    "Nose": (27, 31, 33, 35),
    "Upper_Lip": (*range(48, 55), 64, 63, 62, 61, 60),
    "Lower_Lip": (*range(54, 60), 48, 60, 67, 66, 65, 64),
}
"""Region key -> its outline in dlib's 68 points (iBUG 300-W)."""

Seen = list[tuple[np.ndarray, list[Face]]]


def main() -> None:
    args = _parse()
    analysis = load_face_analysis(args.face_package, "CPU")
    photos = {name: open_photo(args.photos / name) for name in list_photos(args.photos, args.photos / "none")}
    found = {name: detect_faces(analysis, photo, any_recogniser=True) for name, photo in photos.items()}
    seen: Seen = [(photos[name], faces) for name, faces in found.items() if faces]
    print(f"{len(photos)} photos, {sum(map(len, found.values()))} faces, {len(photos) - len(seen)} photos without one")
    chosen = {name: select_face(faces, photos[name]) for name, faces in found.items() if faces}
    print_likeness({name: face for name, face in chosen.items() if Path(name).parts[0] != GROUPS})
    print_sizes(analysis, seen)
    print_least(analysis, seen)
    print_blur(analysis, seen)
    print_cuts(analysis, [(photos[name], face) for name, face in chosen.items()])
    if args.landmarks:
        import dlib

        predictor = dlib.shape_predictor(str(args.landmarks))
        outlines = [(photo, [find_outline(predictor, photo, face) for face in faces], faces) for photo, faces in seen]
        print_eyes(outlines)
        print_neighbours(outlines)


def print_likeness(chosen: dict[str, Face]) -> None:
    """OUTLIER_BELOW, and the scale of likeness."""
    cosines = defaultdict(list)
    for name, face in chosen.items():
        for other, second in chosen.items():
            if name < other:
                kin = "one person" if Path(name).parts[0] == Path(other).parts[0] else "strangers"
                cosines[kin].append(_compare(face, second))
    for kin, values in cosines.items():
        print(f"cosine of two photos, {kin}: {_spread(values)}")


def print_sizes(analysis, seen: Seen) -> None:
    """SMALLEST_WIDTH_PX: the embedding of a photo made smaller against its own."""
    large = list_large(seen)
    for width in (96, 64, 50, 40, 32, 24):
        cosines = []
        for photo, face in large:
            scale = width / measure_width(face)
            size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
            small = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
            landmarks = _require(face.landmarks) * scale
            cosines.append(float(embed(analysis, small, landmarks) @ _require(face.id_embedding)))
        print(f"face of {width} px: cosine to the same, larger, {_spread(cosines)}")


def print_least(analysis, seen: Seen) -> None:
    """How small a face the detector finds in its 640 px: each one alone on grey."""
    heads = [crop_square(photo, surround_head(photo, face.box, 3)) for photo, face in list_large(seen)]
    for width in (20, 16, 12, 10, 8):
        found = 0
        for head in heads:
            canvas = Image.new("RGB", (640, 640), (100, 100, 100))
            canvas.paste(Image.fromarray(head).resize((width * 4, width * 4), Image.Resampling.LANCZOS), (200, 200))
            found += len(analysis.det_model.detect(np.array(canvas)[:, :, ::-1], input_size=(640, 640))[0]) > 0
        print(f"face of about {width} px in 640: found {found} of {len(heads)}")


def print_blur(analysis, seen: Seen) -> None:
    """HALF_SHARP and LEAST_BESIDE: sharpness and embedding under blur, and sharpness of two faces in one photo."""
    large = list_large(seen)
    print(f"sharpness of faces as they are: {_spread([face.sharpness for _, face in large], 0)}")
    for share in (0.01, 0.02, 0.04, 0.08):
        left, cosines = [], []
        for photo, face in large:
            blurred = ImageFilter.GaussianBlur(share * measure_width(face))
            soft = np.asarray(Image.fromarray(photo).filter(blurred))
            left.append(measure_sharpness(align_landmarks(soft, _require(face.landmarks))) / face.sharpness)
            cosines.append(float(embed(analysis, soft, _require(face.landmarks)) @ _require(face.id_embedding)))
        print(f"blurred by {share:.0%} of the face: sharpness left {_spread(left)}; cosine {_spread(cosines)}")
    pairs = [(face, max(faces, key=lambda one: one.area)) for _, faces in seen for face in faces]
    ratios = [face.sharpness / first.sharpness for face, first in pairs if 0.25 * first.area < face.area < first.area]
    print(f"sharpness beside the largest face of one photo, of faces at least half as wide: {_spread(ratios)}")


def print_cuts(analysis, chosen: list[tuple[np.ndarray, Face]]) -> None:
    """LEAST_SEEN: the photo cut through a face that was seen whole, which is then found anew."""
    told = defaultdict(list)
    for photo, face in (one for one in chosen if measure_seen(one[0], one[1].box) == 1):
        around = move_inside(surround_head(photo, face.box, 4), photo)
        photo = crop_square(photo, around)
        x0, y0, x1, y1 = (round(float(value)) for value in face.box - (around[:2] * 2))
        for cut in (0.1, 0.2, 0.3, 0.4, 0.5):
            across, down = round(cut * (x1 - x0)), round(cut * (y1 - y0))
            for part in (photo[:, x0 + across :], photo[:, : x1 - across], photo[y0 + down :], photo[: y1 - down]):
                faces = detect_faces(analysis, part, any_recogniser=True)
                if faces:
                    nearest = max(faces, key=lambda one: _compare(one, face))
                    told[cut].append((_compare(nearest, face), measure_seen(part, nearest.box)))
                else:
                    told[cut].append((np.nan, np.nan))
    for cut, answers in told.items():
        cosines, shares = np.array(answers).T
        known = ~np.isnan(cosines)
        print(
            f"{cut:.0%} of the face cut off: found {known.mean():.0%}, box inside {_spread(shares[known])}, "
            f"cosine {_spread(cosines[known])}"
        )


def print_eyes(outlines: list) -> None:
    """SMALLEST_FACE: the part of the face box's square that one eye takes, so the share at which it has its pixels."""
    ratios = [
        _measure_area([outline[place] for place in PARTS["Left_Eye"]]) / float(max(face.box[2:] - face.box[:2])) ** 2
        for _, shapes, faces in outlines
        for outline, face in zip(shapes, faces, strict=True)
        if measure_width(face) >= 50
    ]
    shares = SMALLEST_REGION**0.5 / CLIP_SIZE_PX / np.sqrt(ratios)
    print(f"share of the face at which one eye has {SMALLEST_REGION} px: {_spread(shares)}")
    for share in (0.25, 0.43, 1 / HEAD_SCALE):
        print(f"one eye at a share of {share:.2f}: {_spread(np.array(ratios) * (CLIP_SIZE_PX * share) ** 2, 0)} px")


def print_neighbours(outlines: list) -> None:
    """HEAD_SCALE and keep_own: squares that hold features of somebody else, before and after, and own ones lost."""
    groups = [one for one in outlines if len(one[2]) > 1]
    for scale in (1.5, 1.8, HEAD_SCALE):
        heads = held = left = own_lost = 0
        for photo, shapes, faces in groups:
            for face in faces:
                square = surround_head(photo, face.box, scale)
                labels, owner = draw_labels(shapes, square, faces.index(face))
                kept = keep_own(labels, square, face.box, face.others)
                features = labels > REGION_LABELS["Face"]
                heads += 1
                held += bool((features & ~owner).any())
                left += bool((features & ~owner & (kept > 0)).any())
                own_lost += bool((features & owner & (kept == 0)).any())
        print(
            f"head square of {scale} boxes, {heads} heads: somebody else's features in {held}, left in {left}; "
            f"own ones lost in {own_lost}"
        )


def _require(value: np.ndarray | None) -> np.ndarray:
    """Landmarks or ID embedding, which InsightFace gives of every face."""
    if value is None:
        raise ConsistentIDError("A face has no landmarks or no ID embedding: this needs a package of InsightFace.")
    return value


def _compare(face: Face, other: Face) -> float:
    return float(_require(face.id_embedding) @ _require(other.id_embedding))


def list_large(seen: Seen) -> list[tuple[np.ndarray, Face]]:
    """Faces that the recogniser need not enlarge."""
    return [(photo, face) for photo, faces in seen for face in faces if measure_width(face) >= CROP_PX]


def embed(analysis, photo: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    recogniser = analysis.models["recognition"]
    pixels = np.ascontiguousarray(photo[:, :, ::-1])
    feature = recogniser.get_feat(align_landmarks(pixels, landmarks, recogniser.input_size[0]))[0]
    return feature / np.linalg.norm(feature)


def find_outline(predictor, photo: np.ndarray, face: Face) -> np.ndarray:
    """dlib's landmarks [68, 2] in pixels of the photo."""
    import dlib

    shape = predictor(np.ascontiguousarray(photo), dlib.rectangle(*(round(float(value)) for value in face.box)))
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=float)


def draw_labels(shapes: list[np.ndarray], square, chosen: int) -> tuple[np.ndarray, np.ndarray]:
    """A label map [512, 512] of the faces in a square, the chosen one above, and which pixels are the chosen one's."""
    image, owner = Image.new("L", (SIDE_PX, SIDE_PX)), Image.new("1", (SIDE_PX, SIDE_PX))
    scale = SIDE_PX / (square[2] - square[0])
    for number in sorted(range(len(shapes)), key=lambda one: one == chosen):
        for key, places in PARTS.items():
            outline = [tuple((shapes[number][place] - square[:2]) * scale) for place in places]
            ImageDraw.Draw(image).polygon(outline, fill=REGION_LABELS[key])
            ImageDraw.Draw(owner).polygon(outline, fill=number == chosen)
    return np.asarray(image), np.asarray(owner)


def measure_width(face: Face) -> float:
    return float(face.box[2] - face.box[0])


def _measure_area(outline: list[np.ndarray]) -> float:
    x, y = np.array(outline).T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def _spread(values, digits: int = 2) -> str:
    if not len(values):
        return "none"
    low, middle, high = np.percentile(values, (5, 50, 95))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f}; {len(values)})"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_photos", description=__doc__)
    parser.add_argument("photos", type=Path, help="folder with a folder of photos for each person")
    parser.add_argument("--face-package", type=Path, required=True, help="detector and a 512-d recogniser, ONNX")
    parser.add_argument("--landmarks", type=Path, help="dlib's shape_predictor_68_face_landmarks.dat")
    return parser.parse_args()


if __name__ == "__main__":
    main()
