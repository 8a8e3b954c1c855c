"""An environment for a further ComfyUI: `.venv-VERSION` holds what it pins otherwise and sees all else in `.venv`.

Standard library only.
"""

import ast
import shutil
import subprocess

from . import REPO
from .file_lock import holding
from .project_environment import FOLDER, PIP_INSTALL, PYTHON, STAMP, name_layer, run

FIND_PACKAGES = "import sysconfig; print(ascii(sysconfig.get_path('purelib')))"


def prepare_layer(comfyui, lines):
    """The Python of the layer for this ComfyUI, with these requirements; instant when it was made last time.

    A layer that is unfinished, or over what `.venv` was before, is made anew: that takes seconds.
    """
    with holding(REPO / ".cache" / "environment.lock", "makes the environment"):
        return _prepare(name_layer(comfyui), lines)


def _prepare(folder, lines):
    python, stamp = folder / PYTHON.relative_to(FOLDER), folder / STAMP.name
    below = _ask(PYTHON, FIND_PACKAGES)
    made = "\n".join((_ask(PYTHON, "import sys; print(sys.version)"), below, STAMP.read_text(encoding="utf-8"), *lines))
    if stamp.exists() and stamp.read_text(encoding="utf-8") == made:
        return python
    stamp.unlink(missing_ok=True)  # before the rest: half a layer is none
    if folder.exists():
        shutil.rmtree(folder)
    print(f"Creating the environment {folder}, over {FOLDER.name}", flush=True)
    run([str(PYTHON), "-m", "venv", "--without-pip", str(folder)], "Could not create the environment")
    with open(f"{ast.literal_eval(_ask(python, FIND_PACKAGES))}/below.pth", "w", encoding="ascii") as file:
        file.write(f"import site; site.addsitedir({below})\n")
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run([str(python), *PIP_INSTALL, "-r", str(folder / "requirements.txt")], "pip could not install the requirements")
    stamp.write_text(made, encoding="utf-8")
    return python


def _ask(python, question):
    return subprocess.check_output([str(python), "-c", question], text=True).strip()
