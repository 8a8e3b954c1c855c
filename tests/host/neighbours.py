"""Other packs with their own code, at the revisions below; never part of this repository."""

import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "neighbours"
FOLDER = Path.home() / "comfy" / "packs"
REVISIONS = {
    "cubiq/ComfyUI_IPAdapter_plus": "9d076a3df0d2763cef5510ec5ab807f6632c39f5",
    "cubiq/ComfyUI_InstantID": "1ef34ef573581bd9727c1e0ac05aa956b356a510",
    "shiimizu/ComfyUI-TiledDiffusion": "a155b1bac39147381aeaa52b9be42e545626a44f",
    "laksjdjf/cgem156-ComfyUI": "884563c0286bea1fb080fd3124687b344bb9c9f0",
    "pamparamm/ComfyUI-ppm": "200f4609ed19abf0c316de0812f885846076bc27",
    "Danand/ComfyUI-ComfyCouple": "faa73a92facf8352ee4b03cda287ce8eb8aeed2c",
    "city96/ComfyUI-GGUF": "795e45156ece99afbc3efef911e63fcb46e6a20d",
    "Kosinkadink/ComfyUI-AnimateDiff-Evolved": "d8d163cd90b1111f6227495e3467633676fbb346",
    "pamparamm/sd-perturbed-attention": "904319bff623b185f15047e231a446d615ee48c6",
    "ChenDarYen/ComfyUI-NAG": "ef8a641be08983cf5f06669f70719b6eecce3c7f",
}
# What a pack's own __init__.py, which loads more than is needed here, would give to its modules.
NAMES = {"cgem156-ComfyUI": {"SYMBOL": "", "NODE_SURFIX": "", "ROOT_NAME": ""}}


@functools.cache
def fetch_pack(source: str, revision: str, cache: Path = CACHE) -> Path | str:
    """The folder of a pack at one revision, fetched if it is not there; or why it cannot be."""
    folder = cache / f"{source.split('/')[1]}-{revision[:8]}"
    if not (folder / "__init__.py").is_file():
        git = ["git", "-C", str(folder)]
        folder.mkdir(parents=True, exist_ok=True)
        for command in (
            ["init", "-q"],
            ["fetch", "-q", "--depth", "1", f"https://github.com/{source}", revision],
            ["checkout", "-qf", revision],
        ):
            environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
            done = subprocess.run(git + command, capture_output=True, text=True, timeout=120, env=environment)
            if done.returncode:
                return f"git {command[0]}: {done.stderr.strip()}"
    return folder


def find_pack(comfyui: Path, name: str) -> Path:
    """The folder of another pack: in custom_nodes, in NEIGHBOUR_PACKS or ~/comfy/packs, or fetched. A skip if none."""
    source = next(source for source in REVISIONS if source.endswith(f"/{name}"))
    around = [comfyui / "custom_nodes", Path(os.environ.get("NEIGHBOUR_PACKS") or FOLDER).expanduser()]
    for folder in around:
        if (folder / name / "__init__.py").is_file():
            return folder / name
    fetched = fetch_pack(source, REVISIONS[source])
    if isinstance(fetched, str):
        pytest.skip(f"beside {name}: it is not in {' or '.join(map(str, around))}, and cannot be fetched: {fetched}")
    return fetched


def import_neighbour(comfyui: Path, name: str, module: str):
    """A module of another pack, or a skip that says what is missing."""
    package = "neighbour_" + name.lower().replace("-", "_")
    if package not in sys.modules:
        folder = find_pack(comfyui, name)
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(folder)]
        vars(sys.modules[package]).update(NAMES.get(name, {}))
    try:
        return importlib.import_module(f"{package}.{module}")
    except ImportError as error:
        pytest.skip(f"beside {name}: it cannot be imported: {error}")
