"""`python -m consistentid portrait`: a photo in, a portrait out, without ComfyUI."""

import argparse
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from ..command_line import give_examples
from ..errors import ConsistentIDError
from ..ray_session import add_ray_options, ray_session, read_cluster
from ..terminal import hide_loading_bars, show_progress
from ..whole_file import claim_folder
from .portrait_settings import PortraitSettings, read_settings

GROUPS = {
    "face": "the person",
    "prompt": "the picture",
    "select": "how the photo is read",
    "base": "models; what is not named is looked for in the models folder",
    "lora": "LoRA, ControlNet, inpainting",
    "scheduler": "sampling",
    "device": "the machine",
}
"""{first option of a group: what the help calls it}"""
EXAMPLES = (
    'python -m consistentid portrait --face me.jpg --prompt "a man on a mountain, film"',
    'python -m consistentid portrait --base zoo --face drawn.png --prompt "a man wearing a red hoodie, on a beach"',
    "python -m consistentid portrait --person her.jpg=left --person him.jpg=right --width 768 --height 512 \\",
    '    --prompt "two people, <A> in a red coat, <B> in a green coat"',
    "python -m consistentid portrait --from-png portrait.png --seed 8 --out again.png",
)


def add_command(subparsers) -> None:
    """Add `portrait` to the command line; `run` of the parsed arguments does it and returns the exit code."""
    parser = subparsers.add_parser(
        "portrait",
        help="draw a portrait with the headless engine, without ComfyUI",
        description="Draws a portrait with the headless engine, on diffusers. Brackets in the prompt are text.",
        usage="%(prog)s [options]",
        allow_abbrev=False,
        **give_examples(*EXAMPLES),
    )
    parser.add_argument("--out", default="", help="PNG to write, or a folder (default: portrait_DATE_TIME.png)")
    parser.add_argument("--attention", metavar="PNG", help="also write a sheet of where the facial tokens acted")
    parser.add_argument("--overwrite", action="store_true", help="write over pictures that are there already")
    parser.add_argument("--from-png", metavar="PNG", help="repeat the run that made a PNG; other options change it")
    parser.add_argument("--plan", metavar="CSV", help="draw a table of portraits into the folder --out")
    parser.add_argument("--at-once", type=int, default=4, metavar="N", help="pictures of a plan at a time (default: 4)")
    add_ray_options(parser.add_argument_group("a plan on many machines"), "draw the plan")
    group: Any = parser
    for item in fields(PortraitSettings):
        group = parser.add_argument_group(GROUPS[item.name]) if item.name in GROUPS else group
        _add_option(group, item)
    parser.set_defaults(run=run_portrait)


def run_portrait(arguments: argparse.Namespace) -> int:
    """Draw and save; returns the exit code."""
    from .portrait import draw_portrait
    from .portrait_files import plan_attention, plan_files, save_attention, save_portrait

    hide_loading_bars()
    settings = read_settings(arguments.from_png) if arguments.from_png else PortraitSettings()
    given = {item.name: getattr(arguments, item.name) for item in fields(settings)}
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value is not None
    }
    settings = replace(settings, **given)
    if arguments.ray is not None and not arguments.plan:
        raise ConsistentIDError("--ray draws a plan; name one with --plan.")
    if arguments.plan:
        return _run_plan(arguments, settings)
    settings.check()
    sources = (arguments.from_png or "", *settings.list_files())
    files = plan_files(arguments.out, settings.batch, sources, arguments.overwrite)
    sheet = plan_attention(arguments.attention, files, sources) if arguments.attention else None
    portrait = draw_portrait(settings, progress=sys.stderr.isatty(), attention=sheet is not None)
    files = save_portrait(portrait, files)
    print("\n".join(portrait.report))
    print(f"Seed: {portrait.settings.seed}")
    for path in files.pictures:
        print(f"Portrait       {path}")
    print(f"Contact sheet  {files.sheet}")
    if sheet is not None:
        print(f"Attention      {save_attention(portrait, sheet, arguments.overwrite)}")
    return 0


def _run_plan(arguments: argparse.Namespace, settings: PortraitSettings) -> int:
    """Draw a plan and say what became of its rows; 1 if one has no picture."""
    from .plan import read_rows
    from .plan_run import TABLE, draw_plan
    from .ray_hands import RayHands

    cluster = read_cluster(arguments)
    if arguments.attention or settings.person or arguments.at_once < 1:
        raise ConsistentIDError(
            "--plan draws one person in each row, so --person and --attention do not go with it, and --at-once is a "
            f"number from 1; it is {arguments.at_once}."
        )
    rows, models = read_rows(arguments.plan, settings)
    out = Path(arguments.out or Path(arguments.plan).stem)
    given = rows, models, out, arguments.at_once, arguments.overwrite, _show_bars()
    with claim_folder(out):
        if cluster is None:
            outcome = draw_plan(*given)
        else:
            with ray_session(cluster) as ray:
                outcome = draw_plan(*given, partial(RayHands, ray, cluster))
    rate = f", {outcome.drawn / outcome.seconds:.2f} a second" if outcome.drawn else ""
    print(f"Pictures drawn: {outcome.drawn}{rate}; there before: {outcome.kept}.")
    print(f"Rows without a picture: {len(outcome.problems)}.")
    for line, problem in sorted(outcome.problems.items()):
        print(f"  Line {line}: {problem}")
    print(f"Table  {out / TABLE}")
    return 1 if outcome.problems else 0


def _show_bars():
    """A bar for the people that are read, one for the pictures."""
    bars = {"People read": show_progress("People read", "person"), "Drawn": show_progress("Drawn", "picture")}
    return lambda word, done, total: bars[word](done, total)


def _add_option(parser, item) -> None:
    """One field of the settings as an option; what is not given stays None, so that a PNG's own value counts."""
    text, choices = item.metadata["help"], item.metadata.get("choices")
    if item.type is not bool and item.default not in (None, "", ()):
        text += f" (default: {item.default})"
    name = f"--{item.name.replace('_', '-')}"
    if item.type is bool:
        parser.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
    elif item.default == ():
        parser.add_argument(name, action="append", help=text, metavar=item.metadata["form"])
    else:
        kind = get_args(item.type)[0] if isinstance(item.type, UnionType) else item.type
        metavar = None if choices else item.name.rpartition("_")[2].upper()
        parser.add_argument(name, type=kind, help=text, metavar=metavar, choices=choices)
