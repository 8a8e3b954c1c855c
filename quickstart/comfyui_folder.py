"""Find the ComfyUIs on this machine, or clone one. Standard library only."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import REPO
from .failure import Failure
from .file_lock import holding

OLDEST = (0, 3, 64)
SOURCE = "https://github.com/comfyanonymous/ComfyUI"
CLONE = Path.home() / "comfy" / "ComfyUI"

# Where comfy-cli installs: on Linux, then on Windows and macOS.
USUAL_FOLDERS = (CLONE, Path.home() / "Documents" / "comfy" / "ComfyUI")
PART = ".quickstart-clone-"
BESIDE = "ComfyUI*"  # others beside CLONE, of any version


def find_comfyui(named=None):
    """The folder of the first ComfyUI, or None when none was named and none is in the usual places."""
    folder = _require_comfyui(named) if named else next(iter(_list_folders()), None)
    return folder and require_version(folder)


def find_every_comfyui():
    """Folders, one for each version: all that COMFYUI_PATH names, or all in the usual places that are new enough."""
    found = {}
    for folder in _list_folders():
        if os.environ.get("COMFYUI_PATH") or read_version(folder) >= OLDEST:
            found.setdefault(read_version(folder), require_version(folder))
        else:
            print(f"Left out: {folder}, older than ComfyUI {write_version(OLDEST)}.", flush=True)
    return list(found.values())


def _list_folders():
    """Every ComfyUI that COMFYUI_PATH names, else the one around the pack and those in the usual places."""
    named = [name for name in os.environ.get("COMFYUI_PATH", "").split(os.pathsep) if name]
    if named:
        return [_require_comfyui(name) for name in named]
    around = (REPO.parent.parent,) if REPO.parent.name == "custom_nodes" else ()
    places = (*around, *USUAL_FOLDERS, *sorted(CLONE.parent.glob(BESIDE)))
    return [folder for folder in dict.fromkeys(places) if is_comfyui(folder)]


def _require_comfyui(named):
    folder = Path(named).expanduser().resolve()
    if not is_comfyui(folder):
        raise Failure(
            f"No ComfyUI in {folder}: it has no main.py with comfyui_version.py beside it.\n"
            "Name the folder that holds main.py with --comfyui or COMFYUI_PATH."
        )
    return folder


def is_comfyui(folder):
    return all((folder / name).is_file() for name in ("main.py", "comfyui_version.py", "folder_paths.py"))


def require_version(folder):
    """`folder` itself, or a Failure when its ComfyUI is older than the pack supports."""
    version = read_version(folder)
    if version < OLDEST:
        raise Failure(
            f"The ComfyUI in {folder} is {write_version(version)}; this pack needs {write_version(OLDEST)} or newer. "
            "Update it (git pull), or name another with --comfyui or COMFYUI_PATH."
        )
    return folder


def read_version(folder):
    """(0, 3, 64)"""
    text = (folder / "comfyui_version.py").read_text(encoding="utf-8")
    version = re.search(r"__version__\s*=\s*[\"'](\d+)\.(\d+)\.(\d+)", text)
    if not version:
        raise Failure(f"Could not read the version of the ComfyUI in {folder} from its comfyui_version.py.")
    return tuple(map(int, version.groups()))


def write_version(version):
    return ".".join(map(str, version))


def clone_comfyui():
    """A shallow clone of ComfyUI at CLONE; leaves nothing behind when it fails."""
    with holding(CLONE.parent / ".quickstart.lock", "clones ComfyUI"):
        return require_version(CLONE if is_comfyui(CLONE) else _clone())


def _clone():
    """Under another name until it is whole: what a stopped clone holds may look like a ComfyUI."""
    if CLONE.exists() and any(CLONE.iterdir()):
        raise Failure(f"{CLONE} exists but holds no complete ComfyUI. Remove it, or name a ComfyUI with --comfyui.")
    print(f"No ComfyUI found; cloning {SOURCE} to {CLONE}", flush=True)
    if not shutil.which("git"):
        raise Failure(f"git is not installed, so ComfyUI could not be cloned.\n{_advice()}")
    for left in CLONE.parent.glob(f"{PART}*"):
        shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=PART, dir=CLONE.parent))
    try:
        command = ["git", "clone", "--depth", "1", SOURCE, str(part)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise Failure(f"Cloning ComfyUI failed:\n  {result.stderr.strip()}\n{_advice()}")
        part.chmod(0o755)  # mkdtemp keeps it from others
        if CLONE.exists():
            CLONE.rmdir()
        part.rename(CLONE)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return CLONE


def _advice():
    looked = "\n".join(f"  {folder}" for folder in USUAL_FOLDERS)
    return (
        f"Looked for an existing ComfyUI in --comfyui, COMFYUI_PATH, the folder above this pack, and\n{looked}\n"
        f"Install ComfyUI yourself ({SOURCE}) and run again with --comfyui PATH."
    )
