"""`python -m consistentid COMMAND`, in the folder of this pack; `python path/to/consistentid COMMAND` anywhere.

Exit codes: 0 done, 1 failed or something is wrong, 2 wrong arguments, 130 stopped with Ctrl-C.
"""

import sys
from pathlib import Path

if not __package__:
    # Run by path. The Python of the portable Windows ComfyUI does not look into the current folder, so -m fails there.
    import runpy

    sys.path[0] = str(Path(__file__).resolve().parents[1])
    runpy.run_module("consistentid", run_name="__main__", alter_sys=True)
    sys.exit()

from .command_line import CommandParser, give_examples
from .dataset.command import add_command as add_dataset
from .errors import ConsistentIDError, describe_os_error
from .evaluation.command import add_command as add_evaluate
from .headless.command import add_command as add_portrait
from .model_files.command import add_command as add_models
from .training.command import add_command as add_train

EXAMPLES = (
    "python -m consistentid models get sd15",
    'python -m consistentid portrait --face me.jpg --prompt "a man on a mountain, film"',
    "python -m consistentid dataset prepare PHOTOS SET --fixed-captions",
    "python -m consistentid train --config train.yaml",
    "python -m consistentid evaluate run plan.csv RUNS/ours --settings portrait.json",
    "python -m consistentid portrait --help",
)


def main(words: list[str] | None = None) -> int:
    """Run one command; `words` are the arguments, sys.argv's by default. Returns the exit code."""
    parser = CommandParser(
        prog="python -m consistentid", description="ConsistentID without ComfyUI.", **give_examples(*EXAMPLES)
    )
    subparsers = parser.add_subparsers(dest="command", required=True)
    add_models(subparsers)
    add_portrait(subparsers)
    add_dataset(subparsers)
    add_train(subparsers)
    add_evaluate(subparsers)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    arguments = parser.parse_args(words)
    try:
        return arguments.run(arguments)
    except (ConsistentIDError, OSError) as error:
        print(describe_os_error(error) if isinstance(error, OSError) else error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
