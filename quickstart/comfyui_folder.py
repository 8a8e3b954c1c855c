"""Find a ComfyUI on this machine, or clone one. Standard library only."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from quickstart_failure import Failure

REPO = Path(__file__).resolve().parent.parent
OLDEST = (0, 3, 64)
SOURCE = "https://github.com/comfyanonymous/ComfyUI"
CLONE = Path.home() / "comfy" / "ComfyUI"

# Where comfy-cli installs: on Linux, then on Windows and macOS.
USUAL_FOLDERS = (CLONE, Path.home() / "Documents" / "comfy" / "ComfyUI")


def find_comfyui(named=None):
    """The folder of a ComfyUI new enough, or None when none was named and none is in the usual places."""
    named = named or os.environ.get("COMFYUI_PATH")
    if named:
        folder = Path(named).expanduser().resolve()
        if not is_comfyui(folder):
            raise Failure(
                f"No ComfyUI in {folder}: it has no main.py with comfyui_version.py beside it.\n"
                "Name the folder that holds main.py with --comfyui or COMFYUI_PATH."
            )
        return require_version(folder)
    around = (REPO.parent.parent,) if REPO.parent.name == "custom_nodes" else ()
    found = next((folder for folder in around + USUAL_FOLDERS if is_comfyui(folder)), None)
    return found and require_version(found)


def is_comfyui(folder):
    return all((folder / name).is_file() for name in ("main.py", "comfyui_version.py", "folder_paths.py"))


def require_version(folder):
    """`folder` itself, or a Failure when its ComfyUI is older than the pack supports."""
    text = (folder / "comfyui_version.py").read_text(encoding="utf-8")
    version = re.search(r"__version__\s*=\s*[\"'](\d+)\.(\d+)\.(\d+)", text)
    if not version:
        raise Failure(f"Could not read the version of the ComfyUI in {folder} from its comfyui_version.py.")
    if tuple(map(int, version.groups())) < OLDEST:
        raise Failure(
            f"The ComfyUI in {folder} is {'.'.join(version.groups())}; this pack needs "
            f"{'.'.join(map(str, OLDEST))} or newer. Update it (git pull), or name another with --comfyui."
        )
    return folder


def clone_comfyui():
    """A shallow clone of ComfyUI at CLONE; leaves nothing behind when it fails."""
    if CLONE.exists() and any(CLONE.iterdir()):
        raise Failure(f"{CLONE} exists but holds no complete ComfyUI. Remove it, or name a ComfyUI with --comfyui.")
    print(f"No ComfyUI found; cloning {SOURCE} to {CLONE}", flush=True)
    if not shutil.which("git"):
        raise Failure(f"git is not installed, so ComfyUI could not be cloned.\n{_advice()}")
    result = subprocess.run(["git", "clone", "--depth", "1", SOURCE, str(CLONE)], capture_output=True, text=True)
    if result.returncode:
        shutil.rmtree(CLONE, ignore_errors=True)
        raise Failure(f"Cloning ComfyUI failed:\n  {result.stderr.strip()}\n{_advice()}")
    return require_version(CLONE)


def _advice():
    looked = "\n".join(f"  {folder}" for folder in USUAL_FOLDERS)
    return (
        f"Looked for an existing ComfyUI in --comfyui, COMFYUI_PATH, the folder above this pack, and\n{looked}\n"
        f"Install ComfyUI yourself ({SOURCE}) and run again with --comfyui PATH."
    )
