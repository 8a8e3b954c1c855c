"""`python quickstart COMMAND` from anywhere; `python -m quickstart COMMAND` in the folder of this repository."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(f"This needs Python 3.10 or newer; {sys.executable} is {sys.version_info[0]}.{sys.version_info[1]}.")

if not __package__:  # run as a folder: the one place that tells Python where the repository is
    import os
    import runpy

    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    runpy.run_module("quickstart", run_name="__main__", alter_sys=True)
    sys.exit()

from .command import main

if __name__ == "__main__":
    sys.exit(main())
