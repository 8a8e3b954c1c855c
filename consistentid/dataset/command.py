"""`python -m consistentid dataset`: prepare, check and show training data."""

from pathlib import Path

from ..command_line import give_examples
from ..whole_file import claim_folder
from .prepare_command import EXAMPLES as PREPARATIONS
from .prepare_command import add_preparation

SHOWN = 8
EXAMPLES = (
    *PREPARATIONS,
    "python -m consistentid dataset check SET",
    "python -m consistentid dataset show SET --out records.png",
    "python -m consistentid dataset pack SET SHARDS",
)


def add_command(subparsers) -> None:
    """Add `dataset` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    dataset = subparsers.add_parser(
        "dataset", help="training data: prepare, check, show, pack", **give_examples(*EXAMPLES)
    )
    actions = dataset.add_subparsers(dest="action", required=True)
    add_preparation(actions)
    check = actions.add_parser("check", help="open every file of every record", **give_examples(EXAMPLES[-3]))
    check.set_defaults(run=_check)
    show = actions.add_parser(
        "show",
        help="a sheet of records, one a row: photo, label map, regions, captions",
        **give_examples(EXAMPLES[-2], "python -m consistentid dataset show SET --names ada ben/1"),
    )
    show.set_defaults(run=_show)
    show.add_argument("--out", type=Path, default=Path("records.png"), help="PNG to write (default: records.png)")
    show.add_argument("--names", nargs="*", help=f"which records, or folders of them (default: {SHOWN} people)")
    pack = actions.add_parser(
        "pack",
        help="a training set -> shards that training streams; goes on where it stopped",
        **give_examples(EXAMPLES[-1], "python -m consistentid dataset pack SET s3://BUCKET/SHARDS"),
    )
    pack.set_defaults(run=_pack)
    for action in (check, show, pack):
        action.add_argument(
            "dataset", help="training set: its folder, its JSON file, or the folder or address of shards"
        )
    pack.add_argument("out", help="folder or address (s3://, hf://) of the shards")
    pack.add_argument("--per-shard", type=int, default=1000, metavar="N", help="records in a shard (default: 1000)")


def _check(arguments) -> int:
    from .check import check_records
    from .records import read_records

    findings = check_records(read_records(arguments.dataset))
    print(findings.report())
    return 1 if findings.problems else 0


def _pack(arguments) -> int:
    from contextlib import nullcontext

    from ..storage import Storage, is_address
    from ..terminal import show_progress
    from .pack import pack_records
    from .records import read_records

    records = read_records(arguments.dataset)
    with nullcontext() if is_address(arguments.out) else claim_folder(Path(arguments.out)):
        watch = show_progress("Packed", "shard")
        packing = pack_records(records, Storage(arguments.out), arguments.per_shard, watch)
    print(f"Records: {len(records)}. Shards written: {packing.written}; there before: {packing.kept}.")
    print(
        f"Bytes: {packing.size:,}. Check them with `dataset check {arguments.out}`, train with `dataset:` of this name."
    )
    return 0


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
