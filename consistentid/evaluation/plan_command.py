"""`evaluate plan`: a plan of one's own photos and of prompts or styles that others published."""

import argparse
import json
import os
from pathlib import Path

from ..command_line import give_examples
from ..plural import count
from ..whole_file import replace_file


def add_plan_maker(actions) -> None:
    """Add it to the actions of `evaluate`."""
    plan = actions.add_parser(
        "plan",
        help="write a plan of your photos and of published prompts or styles",
        **give_examples(
            "python -m consistentid evaluate plan plan.json --prompts prompts.txt --people woman ada.png eve/"
        ),
    )
    plan.set_defaults(run=_make)
    plan.add_argument("out", type=Path, help="JSON file to write")
    plan.add_argument(
        "--people",
        nargs="+",
        action="append",
        required=True,
        metavar=("WORD", "PHOTO"),
        help="what prompts call them, such as woman, and a photo or a folder of photos of each; may be repeated",
    )
    clone = "or the folder of a clone of JackAILab/ConsistentID"
    plan.add_argument("--prompts", help=f"table with a column prompt, text file with one in a line, {clone}")
    plan.add_argument("--styles", help=f"list of styles, JSON or Python, {clone}")
    plan.add_argument("--seeds", type=int, nargs="+", default=[0], help="of each picture (default: 0)")


def _make(arguments: argparse.Namespace) -> int:
    from .plan import PlanError, read_plan
    from .prompt_lists import make_plan, read_prompts, read_styles

    if not arguments.prompts and not arguments.styles:
        raise PlanError("Name --prompts, --styles or both.")
    people: dict[str, tuple[str, list[str]]] = {}
    for word, *photos in arguments.people:
        if not photos or (Path(word).suffix and Path(word).is_file()):  # a folder may be called woman
            raise PlanError(f"--people {word}: first what prompts call them, such as woman, then photos.")
        for photo in map(Path, photos):
            name = photo.name if photo.is_dir() else photo.stem
            if name in people:
                raise PlanError(f"{photo}: there is a second '{name}'. Give photos and folders different names.")
            people[name] = word, [_relate(photo, arguments.out.parent)]
    prompts = read_prompts(arguments.prompts) if arguments.prompts else []
    styles = read_styles(arguments.styles) if arguments.styles else []
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(arguments.out) as part:
        text = json.dumps(make_plan(people, prompts, styles, arguments.seeds), ensure_ascii=False, indent=1)
        part.write_text(text, encoding="utf-8")
    cases = len(read_plan(arguments.out).cases)
    lists = f"{count(len(people), 'person', 'people')}, {count(len(prompts), 'prompt')}, {count(len(styles), 'style')}"
    print(f"{arguments.out}: {lists}: {count(cases, 'picture')}.")
    return 0


def _relate(photo: Path, folder: Path) -> str:
    """As the plan names it: from where the plan is."""
    try:
        return Path(os.path.relpath(photo, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return photo.resolve().as_posix()
