"""`python -m zoo.drawn_faces sheet --out sheet.png`: a contact sheet of people in scenes."""

import argparse
import sys
from pathlib import Path

from PIL import Image

from .sheet import draw_sheet


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="zoo.drawn_faces", description="Drawn portraits with known truth.")
    sheet = parser.add_subparsers(dest="command", required=True).add_parser("sheet", help="a contact sheet")
    sheet.add_argument("--out", type=Path, default=Path("sheet.png"), help="PNG to write (default: sheet.png)")
    sheet.add_argument("--people", type=int, default=5, help="rows (default: 5)")
    sheet.add_argument("--scenes", type=int, default=6, help="columns (default: 6)")
    sheet.add_argument("--seed", type=int, default=0, help="of the first person and scene (default: 0)")
    sheet.add_argument("--size", type=int, default=256, help="side of one picture in px (default: 256)")
    sheet.add_argument("--held-out", action="store_true", help="people that are kept out of training")
    chosen = parser.parse_args(words)
    first = chosen.seed
    people, scenes = range(first, first + chosen.people), range(first, first + chosen.scenes)
    Image.fromarray(draw_sheet(people, scenes, chosen.size, chosen.held_out)).save(chosen.out)
    print(f"{chosen.out}: {chosen.people} people in {chosen.scenes} scenes each.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
