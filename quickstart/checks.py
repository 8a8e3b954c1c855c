"""The `check` command: all that is looked at without running the pack. Standard library only."""

import subprocess

from . import REPO
from .comfyui_folder import find_every_comfyui
from .failure import Failure
from .project_environment import PYTHON, prepare_environment

CHECKS = {
    "Python, lint": ("-m", "ruff", "check", "."),
    "Python, format": ("-m", "ruff", "format", "--check", "."),
    "Python, types": ("-m", "pyright", "--project", str(REPO), "--pythonpath", str(PYTHON)),
    "JavaScript": ("tests/js/tools.py",),
}


def run_checks():
    """0 when all pass; each runs, whatever the ones before it found."""
    if not (REPO / "tests").is_dir():
        raise Failure("The archive of the registry holds no checks. Clone the repository to run them.")
    prepare_environment(next(iter(find_every_comfyui()), None))
    failed = []
    for name, command in CHECKS.items():
        print(f"\n##### {name}", flush=True)
        if subprocess.run([str(PYTHON), *command], cwd=REPO).returncode:
            failed.append(name)
    print(f"\nFailed: {'; '.join(failed)}." if failed else "\nAll checks passed.", flush=True)
    return int(bool(failed))
