"""`python -m zoo.drawn_faces sheet|dataset`: a contact sheet of people in scenes; a training set of them."""

import argparse
import sys
from pathlib import Path

from PIL import Image

from consistentid.command_line import CommandParser, give_examples
from consistentid.plural import count

from .sheet import draw_sheet

EXAMPLES = (
    "python -m zoo.drawn_faces sheet --out sheet.png --people 3",
    "python -m zoo.drawn_faces dataset SET --people 20 --scenes 8 --size 128",
)


def main(words: list[str] | None = None) -> int:
    about = "Drawn portraits with known truth."
    parser = CommandParser(prog="python -m zoo.drawn_faces", description=about, **give_examples(*EXAMPLES))
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="a contact sheet")
    sheet.set_defaults(run=_draw_sheet)
    sheet.add_argument("--out", type=Path, default=Path("sheet.png"), help="PNG to write (default: sheet.png)")
    _add_choice(sheet, people=5, scenes=6, size=256)
    dataset = commands.add_parser(
        "dataset", help="a training set with exact label maps and captions, without embeddings"
    )
    dataset.set_defaults(run=_write_dataset)
    dataset.add_argument("out", type=Path, help="folder of the training set")
    _add_choice(dataset, people=100, scenes=8, size=512)
    chosen = parser.parse_args(words)
    return chosen.run(chosen, range(chosen.seed, chosen.seed + chosen.people))


def _add_choice(command: argparse.ArgumentParser, people: int, scenes: int, size: int) -> None:
    command.add_argument("--people", type=int, default=people, help=f"how many (default: {people})")
    command.add_argument("--scenes", type=int, default=scenes, help=f"for each of them (default: {scenes})")
    command.add_argument("--seed", type=int, default=0, help="of the first person (default: 0)")
    command.add_argument("--size", type=int, default=size, help=f"side of one picture in px (default: {size})")
    command.add_argument("--held-out", action="store_true", help="people that are kept out of training")


def _draw_sheet(chosen: argparse.Namespace, people: range) -> int:
    from consistentid.terminal import show_progress
    from consistentid.whole_file import replace_file

    scenes = range(chosen.seed, chosen.seed + chosen.scenes)
    sheet = Image.fromarray(draw_sheet(people, scenes, chosen.size, chosen.held_out, show_progress("Drawn", "row")))
    with replace_file(chosen.out) as part:
        sheet.save(part, format="PNG")
    print(f"{chosen.out}: {count(chosen.people, 'person', 'people')} in {count(chosen.scenes, 'scene')} each.")
    return 0


def _write_dataset(chosen: argparse.Namespace, people: range) -> int:
    from consistentid.dataset.records import MERGED
    from consistentid.terminal import show_progress

    from .training_set import write_training_set

    if (chosen.out / MERGED).exists():
        print(f"{chosen.out} holds a training set already. Name another folder.", file=sys.stderr)
        return 1
    watch = show_progress("Drawn", "picture")
    records = write_training_set(chosen.out, people, chosen.scenes, chosen.size, chosen.held_out, watch=watch)
    print(f"Records in {chosen.out}: {records}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
