"""`python -m consistentid dataset`: prepare, check and show training data."""

import sys
from pathlib import Path

from ..command_line import give_examples
from ..face.region_words import ALL_WORDS, OTHER_NAMES, PUBLISHED_REGIONS, order_words
from ..model_files.find import VARIABLE, find_by_id
from ..whole_file import claim_folder

SHOWN = 8
EXAMPLES = (
    "python -m consistentid dataset prepare PHOTOS SET --captioner CAPTIONER_FOLDER --device cuda",
    "python -m consistentid dataset prepare PHOTOS SET --size 1024 --people 2 --fixed-captions",
    "python -m consistentid dataset check SET",
    "python -m consistentid dataset show SET --out records.png",
)


def add_command(subparsers) -> None:
    """Add `dataset` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    dataset = subparsers.add_parser("dataset", help="training data: prepare, check, show", **give_examples(*EXAMPLES))
    actions = dataset.add_subparsers(dest="action", required=True)
    prepare = actions.add_parser(
        "prepare", help="a folder of photos -> records; goes on where it was stopped", **give_examples(*EXAMPLES[:2])
    )
    prepare.set_defaults(run=_prepare)
    prepare.add_argument("photos", type=Path, help="folder of photos; NAME.txt and NAME_face.txt hold captions")
    prepare.add_argument("out", type=Path, help="folder of the training set")
    wanted = prepare.add_argument_group("which photos, and how large")
    wanted.add_argument("--size", type=int, default=512, help="side of the pictures in px (default: 512; SDXL: 1024)")
    wanted.add_argument(
        "--face-share", type=float, default=0.2, help="smallest face, in sides of the picture (default: 0.2)"
    )
    wanted.add_argument("--people", type=int, default=1, help="most faces in a photo (default: 1)")
    wanted.add_argument("--quality", type=float, default=0.0, help="lowest quality of the face, 0..1 (default: 0)")
    prepare.add_argument("--workers", type=int, default=4, help="photos at once (default: 4)")
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
    check = actions.add_parser("check", help="open every file of every record", **give_examples(EXAMPLES[2]))
    check.set_defaults(run=_check)
    show = actions.add_parser("show", help="a sheet of records, one a row: photo, label map, regions, captions")
    show.set_defaults(run=_show)
    show.add_argument("--out", type=Path, default=Path("records.png"), help="PNG to write (default: records.png)")
    show.add_argument("--names", nargs="*", help=f"which records, or folders of them (default: {SHOWN} people)")
    for action in (check, show):
        action.add_argument("dataset", type=Path, help="folder of a training set, or its JSON file")


def _prepare(arguments) -> int:
    with claim_folder(arguments.out):
        return _fill(arguments)


def _fill(arguments) -> int:
    from ..face.package import load_face_analysis
    from ..face.parsing import load_face_parser
    from ..terminal import hide_loading_bars, show_progress
    from .prepare import FaceModels, Preparation
    from .run import REJECTED, merge_records, prepare_folder

    hide_loading_bars()
    wanted = Preparation(arguments.size, arguments.face_share, arguments.people, arguments.quality)
    package = arguments.face_package or find_by_id("face_analysis", arguments.models_folder)
    parser = arguments.face_parser or find_by_id("face_parser", arguments.models_folder)
    models = FaceModels(load_face_analysis(package), load_face_parser(parser).to(arguments.device))
    watch = show_progress("Prepared", "photo")
    outcome = prepare_folder(arguments.photos, arguments.out, models, wanted, arguments.workers, watch)
    print(f"Records made: {outcome.made}; there before: {outcome.kept}.")
    print(f"Photos rejected: {len(outcome.rejected)}; {arguments.out / REJECTED} keeps the reasons.")
    for photo, reason in outcome.rejected.items():
        print(f"  {photo}: {reason}")
    _add_captions(arguments)
    complete = merge_records(arguments.out)
    absent = outcome.made + outcome.kept - complete
    print(f"Complete records in {arguments.out}: {complete}.")
    if absent:
        print(f"Without a caption: {absent}. Add it with --captioner FOLDER or --fixed-captions.", file=sys.stderr)
    return 1 if absent or not complete else 0


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
        arguments.out, captioner, show_progress("Captioned", "record"), order_words(arguments.regions)
    )
    print(f"Records that got captions: {captioned}.")


def _check(arguments) -> int:
    from .check import check_records
    from .records import read_records

    findings = check_records(read_records(arguments.dataset))
    print(findings.report())
    return 1 if findings.problems else 0


def _show(arguments) -> int:
    from ..whole_file import replace_file
    from .check import draw_records
    from .people import spread_people
    from .records import read_records

    records = read_records(arguments.dataset)
    chosen = _choose_records(records, arguments.names) if arguments.names else spread_people(records)[:SHOWN]
    sheet = draw_records(chosen)
    with replace_file(arguments.out) as part:
        sheet.save(part, format="PNG")
    for record in chosen:
        print(f"{record.name}: {record.caption} | {record.facial_caption}")
    print(f"Sheet  {arguments.out}")
    return 0


def _choose_records(records, names):
    """Records by name, or by a folder of names; DatasetError for what is neither."""
    from .records import DatasetError

    found = {name: [one for one in records if one.name == name or one.name.startswith(f"{name}/")] for name in names}
    if unknown := [name for name, those in found.items() if not those]:
        raise DatasetError(f"No record {', '.join(unknown)}.")
    chosen = {record.name for those in found.values() for record in those}
    return [record for record in records if record.name in chosen]
