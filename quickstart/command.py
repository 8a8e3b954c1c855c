"""`python quickstart portrait` makes portraits of a person; `environment`, `check` and `test` are for contributors.

Needs nothing but Python 3.10: every command makes its own environment, `.venv` in the repository.
"""

import sys

from consistentid.command_line import CommandParser, give_examples

from .all_tests import plan_parts, run_tests
from .checks import run_checks
from .comfyui_folder import clone_comfyui, find_comfyui, find_every_comfyui
from .failure import Failure
from .project_environment import enter_environment, prepare_environment

EXAMPLES = (
    "python quickstart portrait",
    'python quickstart portrait --photo me.jpg --prompt "a man on a mountain, film"',
    "python quickstart portrait --engine headless --out pictures",
)
FOR_CONTRIBUTORS = ("python quickstart check", "python quickstart test -k models")


def main():
    """Run the command of sys.argv; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a console that lacks a letter of a path or a caption
    try:
        if sys.argv[1:2] == ["test"]:
            return run_tests(sys.argv[2:])
        args = _parser().parse_args()
        if args.command == "check":
            return run_checks()
        if args.command == "environment":
            for part in plan_parts(find_every_comfyui()):
                print(f"Ready for tests {part.title}: {part.python}")
            return 0
        return portrait(args)
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def portrait(args):
    comfyui = choose_engine(args)
    prepare_environment(comfyui)
    enter_environment(comfyui)
    if not comfyui:
        from .headless_run import make_portrait

        return make_portrait(args)
    from .portrait_run import make_portrait

    return make_portrait(args, comfyui)


def choose_engine(args):
    """The ComfyUI to draw with, or None for the headless engine: asked for, or no ComfyUI is here or can be cloned."""
    if args.engine == "headless":
        return None
    comfyui = find_comfyui(args.comfyui)
    if comfyui or args.engine == "comfyui":
        return comfyui or clone_comfyui()
    try:
        return clone_comfyui()
    except Failure as failure:
        print(f"{failure}\nGoing on without ComfyUI, with the headless engine (diffusers).", flush=True)
        sys.argv += ["--engine", "headless"]  # the environment's Python starts this command again
        return None


def _seed(text):
    seed = int(text)
    if not 0 <= seed < 2**62:
        raise ValueError
    return seed


def _parser():
    about = (__doc__ or "").partition("\n")[0]
    parser = CommandParser(prog="python quickstart", description=about, **give_examples(*EXAMPLES, *FOR_CONTRIBUTORS))
    commands = parser.add_subparsers(dest="command", required=True)
    about = "one picture of a person in, portraits out"
    command = commands.add_parser("portrait", help=about, allow_abbrev=False, **give_examples(*EXAMPLES))
    options = command.add_argument_group("what to draw")
    options.add_argument("--photo", help="a photo with one face (default: a public-domain portrait, or a drawn person)")
    options.add_argument("--prompt", help="what to paint (default: the workflow's)")
    options.add_argument("--negative", help="what to avoid (default: the workflow's)")
    options.add_argument("--out", default="output", help="folder for the pictures (default: output)")
    options.add_argument("--seed", type=_seed, help="of the first picture (default: by chance; 0 for a drawn person)")
    options.add_argument("--steps", type=int, help="sampling steps (default: the workflow's)")
    options.add_argument("--width", type=int, help="in pixels (default: the workflow's)")
    options.add_argument("--height", type=int, help="in pixels (default: the workflow's)")
    options = command.add_argument_group("what draws it")
    options.add_argument("--comfyui", help="ComfyUI's folder (default: COMFYUI_PATH, or the usual places, or a clone)")
    options.add_argument(
        "--engine",
        choices=("auto", "comfyui", "headless"),
        default="auto",
        help="what draws: ComfyUI, or the headless engine (default: auto, ComfyUI where there is or can be one)",
    )
    options.add_argument("--base", choices=("sd15", "sdxl"), default="sd15", help="base model (default: sd15)")
    options.add_argument(
        "--checkpoint", help="a checkpoint of that base model: its name in ComfyUI's list; a path without ComfyUI"
    )
    options.add_argument(
        "--base-config", help="without ComfyUI and offline: a diffusers folder of the base model of --checkpoint"
    )
    commands.add_parser("environment", help="make the environment: .venv, and one for each further ComfyUI")
    commands.add_parser("check", help="run linters, formatters and type checkers")
    commands.add_parser("test", help="run the tests, on every ComfyUI; other arguments go to pytest", add_help=False)
    return parser
