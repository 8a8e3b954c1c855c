"""`python -m consistentid dataset prepare`: photos -> records, in threads here or with Ray."""

import sys
import time
from pathlib import Path

from ..command_line import give_examples
from ..errors import ConsistentIDError
from ..face.region_words import ALL_WORDS, OTHER_NAMES, PUBLISHED_REGIONS, order_words
from ..model_files.find import VARIABLE, find_by_id
from ..ray_session import add_ray_options, read_cluster
from ..storage import Storage, is_address
from ..whole_file import claim_folder

EXAMPLES = (
    "python -m consistentid dataset prepare PHOTOS SET --captioner CAPTIONER_FOLDER --device cuda",
    "python -m consistentid dataset prepare PHOTOS SET --size 1024 --people 2 --fixed-captions",
    "python -m consistentid dataset prepare s3://bucket/photos s3://bucket/set --fixed-captions --ray HEAD:6379",
)


def add_preparation(actions) -> None:
    prepare = actions.add_parser(
        "prepare", help="a folder of photos -> records; goes on where it was stopped", **give_examples(*EXAMPLES)
    )
    prepare.set_defaults(run=_prepare)
    prepare.add_argument("photos", help="folder of photos; NAME.txt and NAME_face.txt hold captions")
    prepare.add_argument("out", help="folder of the training set")
    wanted = prepare.add_argument_group("which photos, and how large")
    wanted.add_argument("--size", type=int, default=512, help="side of the pictures in px (default: 512; SDXL: 1024)")
    wanted.add_argument(
        "--face-share", type=float, default=0.2, help="smallest face, in sides of the picture (default: 0.2)"
    )
    wanted.add_argument("--people", type=int, default=1, help="most faces in a photo (default: 1)")
    wanted.add_argument("--quality", type=float, default=0.0, help="lowest quality of the face, 0..1 (default: 0)")
    places = "; both folders may then be addresses too (s3://, gs://, hf://)"
    add_ray_options(prepare, "prepare", places, workers="photos at once")
    captions = prepare.add_argument_group("captions that no file beside a photo holds")
    captions.add_argument("--captioner", help="folder of a vision-language model that writes missing captions")
    captions.add_argument(
        "--regions",
        nargs="+",
        choices=(*ALL_WORDS, *OTHER_NAMES),
        default=PUBLISHED_REGIONS,
        metavar="WORD",
        help=f"what the captioner is asked about, of {', '.join(ALL_WORDS)} (default: the published five)",
    )
    captions.add_argument(
        "--fixed-captions", action="store_true", help="the fixed sentences where captions are missing"
    )
    models = prepare.add_argument_group("models")
    models.add_argument("--face-package", help="InsightFace package folder")
    models.add_argument("--face-parser", help="BiSeNet file")
    models.add_argument("--models-folder", help=f"for models that are not named; else {VARIABLE}")
    models.add_argument("--device", default="cpu", help="of the face parser and the captioner (default: cpu)")


def _prepare(arguments) -> int:
    remote = [place for place in (arguments.photos, arguments.out) if is_address(place)]
    if remote and arguments.ray is None:
        raise ConsistentIDError(f"{remote[0]} is an address, which only --ray reads and writes. Add --ray.")
    if is_address(arguments.out) and arguments.captioner:
        raise ConsistentIDError(
            "--captioner writes into a set on this machine. Caption it there and `dataset pack` it to the address, or "
            "put texts beside the photos."
        )
    if is_address(arguments.out):
        return _fill(arguments)
    with claim_folder(Path(arguments.out)):
        return _fill(arguments)


def _fill(arguments) -> int:
    from ..terminal import hide_loading_bars
    from .run import REJECTED, merge_records

    hide_loading_bars()
    out, start = Storage(arguments.out), time.perf_counter()
    outcome = _prepare_photos(arguments)
    seconds = time.perf_counter() - start
    print(f"Records made: {outcome.made}; there before: {outcome.kept}.")
    if arguments.ray is not None:
        print(f"Records a second, with starting: {outcome.made / seconds:.2f}")
    print(f"Photos rejected: {len(outcome.rejected)}; {out.locate(REJECTED)} keeps the reasons.")
    for photo, reason in outcome.rejected.items():
        print(f"  {photo}: {reason}")
    for photo, reason in outcome.failed.items():
        print(f"Not tried to the end, the same command goes on: {photo}: {reason}", file=sys.stderr)
    if is_address(arguments.out):
        from .ray_run import merge_remote

        complete = merge_remote(out)
    else:
        _add_captions(arguments)
        complete = merge_records(Path(arguments.out))
    absent = outcome.made + outcome.kept - complete
    print(f"Complete records in {arguments.out}: {complete}.")
    if absent:
        print(f"Without a caption: {absent}. Add it with --captioner FOLDER or --fixed-captions.", file=sys.stderr)
    return 1 if absent or outcome.failed or not complete else 0


def _prepare_photos(arguments):
    """In threads of this process, or in processes of Ray."""
    from ..terminal import show_progress
    from .prepare import FaceModels, Preparation
    from .run import prepare_folder

    wanted = Preparation(arguments.size, arguments.face_share, arguments.people, arguments.quality)
    package = arguments.face_package or find_by_id("face_analysis", arguments.models_folder)
    parser = arguments.face_parser or find_by_id("face_parser", arguments.models_folder)
    watch = show_progress("Prepared", "photo")
    cluster = read_cluster(arguments)
    if cluster is None:
        from ..face.package import load_face_analysis
        from ..face.parsing import load_face_parser

        models = FaceModels(load_face_analysis(package), load_face_parser(parser).to(arguments.device))
        return prepare_folder(Path(arguments.photos), Path(arguments.out), models, wanted, arguments.workers, watch)
    from .ray_run import Task, prepare_on_ray

    fixed = arguments.fixed_captions and is_address(arguments.out)
    places = (_make_absolute(place) for place in (arguments.photos, arguments.out, package, parser))
    task = Task(*places, device=arguments.device, wanted=wanted, fixed_captions=fixed)
    return prepare_on_ray(task, cluster, watch)


def _make_absolute(place: str | Path) -> str:
    """As every process finds it, in whatever folder it runs."""
    return str(place) if is_address(place) else str(Path(place).resolve())


def _add_captions(arguments) -> None:
    from ..terminal import show_progress
    from .captions import caption_records

    if not arguments.captioner and not arguments.fixed_captions:
        return
    captioner = None
    if arguments.captioner:
        import torch

        from ..caption.describe import load_captioner

        on_cpu = torch.device(arguments.device).type == "cpu"
        captioner = load_captioner(arguments.captioner, torch.float32 if on_cpu else torch.float16)
        captioner.model.to(arguments.device)
    captioned = caption_records(
        Path(arguments.out), captioner, show_progress("Captioned", "record"), order_words(arguments.regions)
    )
    print(f"Records that got captions: {captioned}.")
