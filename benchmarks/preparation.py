"""`python benchmarks/preparation.py PHOTO... --face-package FOLDER`: photos to training records, CPU time of each.

Ours, `dataset prepare`'s work on a photo, against the released scripts' (data/FGID_mask.py and FGID_faceid_embeds.py,
github.com/JackAILab/ConsistentID, commit e234008) with the same face models and BiSeNet at full size with seeded
weights: those squash the photo to 512 px, write picture, label map and colours, and search faces in both sizes, every
model of the package on every face.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from host_folder import find_host
from pack import load_pack

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python benchmarks/preparation.py")
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--face-package", type=Path, required=True, help="folder of ONNX models in a folder 'models'")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--comfyui", default=find_host())
    args = parser.parse_args()
    core = load_pack(Path(args.comfyui).expanduser(), cpu=True).consistentid
    from timing import time_alternating, time_processor

    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = make_ours(core, args.face_package, Path(folder)), make_theirs(core, args.face_package, folder)
        ways = {
            name: lambda way=way: time_processor(lambda: [way(photo) for photo in args.photos]) / len(args.photos)
            for name, way in (("ours", ours), ("released scripts", theirs))
        }
        seconds = time_alternating(ways, args.rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.3f} s of CPU time a photo, {1 / median:.2f} photos a second on one core")
    print(f"ours / theirs: {medians['ours'] / medians['released scripts']:.3f}")


def make_ours(core, package: Path, out: Path):
    import importlib

    from stages import make_parser

    prepare, records = (importlib.import_module(f"{core.__name__}.dataset.{name}") for name in ("prepare", "records"))
    models = prepare.FaceModels(core.face.package.load_face_analysis(package, "CPU"), make_parser(core))

    def prepare_one(photo: Path) -> None:
        made = prepare.prepare_photo(core.face.photo.open_photo(photo), models, prepare.Preparation(people=99))
        records.write_record(out, photo.name, made.image, made.labels, made.embedding)

    return prepare_one


def make_theirs(core, package: Path, out: str):
    import authors
    import cv2
    import torch
    from insightface.app import FaceAnalysis
    from PIL import Image
    from stages import draw_labels, make_parser

    analysis = FaceAnalysis(package.name, str(package.absolute().parents[1]), providers=["CPUExecutionProvider"])
    analysis.prepare(ctx_id=-1, det_size=(640, 640))
    parser, labels = make_parser(core), draw_labels(512)

    def prepare_one(photo: Path) -> None:
        image, begin = Image.open(photo).convert("RGB"), f"{out}/{photo.stem}"
        small = image.resize((512, 512), Image.Resampling.BILINEAR)
        small.save(f"{begin}_resize.png")
        with torch.no_grad():
            cv2.imwrite(f"{begin}_color.png", authors.parse_labels(parser, small, labels))
        cv2.imwrite(f"{begin}_mask.png", labels)
        for place in (f"{begin}_resize.png", str(photo)):
            for face in analysis.get(cv2.imread(place))[:1]:  # where nobody is found, there is no embedding
                torch.save(torch.from_numpy(face.normed_embedding)[None], f"{begin}.bin")

    return prepare_one


if __name__ == "__main__":
    main()
