"""`python -m zoo.rendered_heads --out sheet.png`: a contact sheet, a row for each person, a column for each view."""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.plural import count
from consistentid.whole_file import replace_file

from .people import choose_view, sample_natural_person
from .portrait import render_portrait


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="zoo.rendered_heads", description="Rendered portraits with known truth.")
    parser.add_argument("--out", type=Path, default=Path("sheet.png"), help="PNG to write (default: sheet.png)")
    parser.add_argument("--people", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("--views", type=int, default=6, help="of each of them (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="of the first person (default: 0)")
    parser.add_argument("--size", type=int, default=256, help="side of one picture in px (default: 256)")
    chosen = parser.parse_args(words)
    try:
        rows = [
            _render_row(seed, chosen.views, chosen.size) for seed in range(chosen.seed, chosen.seed + chosen.people)
        ]
    except ConsistentIDError as error:
        print(error, file=sys.stderr)
        return 1
    with replace_file(chosen.out) as part:
        Image.fromarray(np.concatenate(rows)).save(part, format="PNG")
    print(f"{chosen.out}: {count(chosen.people, 'person', 'people')} in {count(chosen.views, 'view')} each.")
    return 0


def _render_row(seed: int, views: int, side_px: int) -> np.ndarray:
    person = sample_natural_person(seed)
    scenes = [choose_view(seed, views, number) for number in range(views)]
    return np.concatenate([render_portrait(person, scene, side_px, seed).image for scene in scenes], axis=1)


if __name__ == "__main__":
    sys.exit(main())
