"""Where model files are: the models folder, files under any of their names in it, what to say of a missing one, hashes.

Knows no host: a search folder is one that ComfyUI would search for a kind of model, such as models/clip_vision.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError, ConsistentIDError
from ..suggestion import find_nearest
from .manifest import Model, read_manifest

PACK = Path(__file__).absolute().parents[2]
PARTIAL = ".partial"
VARIABLE = "CONSISTENTID_MODELS"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Places:
    """Where one model is looked for, and the path that a download gives it."""

    folders: tuple[Path, ...]
    target: Path

    @classmethod
    def below(cls, model: Model, models_folder: Path) -> "Places":
        return cls(tuple(list_search_folders(model, models_folder)), models_folder / model.folder / model.name)


def choose_models_folder(given: str | Path | None = None) -> Path:
    """The models folder: the given one, that of CONSISTENTID_MODELS, or that of the ComfyUI around this pack."""
    named = given or os.environ.get(VARIABLE)
    if named:
        folder = Path(named).expanduser().absolute()
        if not folder.is_dir():
            raise ConsistentIDError(f"The models folder {folder} does not exist. Create it, or name another.")
        return folder
    folder = PACK.parents[1] / "models"
    if PACK.parent.name == "custom_nodes" and folder.is_dir():
        return folder
    raise ConsistentIDError(
        f"No models folder: {PACK} is not in the custom_nodes folder of a ComfyUI. Name the folder with "
        f"--models-folder, or set {VARIABLE}."
    )


def list_search_folders(model: Model, models_folder: Path) -> list[Path]:
    return [models_folder / kind for kind in model.kinds]


def find_model(model: Model, folders: Iterable[Path]) -> Path:
    """Full path of a model's file or folder; CheckpointError says where it was looked for and what to do.

    folders: search folders; those inside them are searched too.
    """
    folders = list(folders)
    found = search_model(model, folders)
    if not found:
        raise describe_missing(model, model.name, folders)
    return found


def find_by_id(model_id: str, models_folder: str | Path | None = None) -> str:
    """Full path of a model of the manifest, in the folder that choose_models_folder chooses; errors of both."""
    model = read_manifest()[model_id]
    return str(find_model(model, list_search_folders(model, choose_models_folder(models_folder))))


def search_model(model: Model, folders: Iterable[Path]) -> Path | None:
    """By name: exact names in the manifest's order, the least nested first; else the only one with a prefix.

    Upper and lower case are the same. A name with a prefix counts only if its size is not known to be another, a
    repository's folder only if it holds weights.
    """
    found = [path for folder in folders for path in _list_candidates(model, folder)]
    if model.snapshot:
        found = [path for path in found if any(path.glob("*.safetensors"))]
    known = [name.casefold() for name in model.names]
    exact = [path for path in found if path.name.casefold() in known]
    if exact:
        return min(exact, key=lambda path: (known.index(path.name.casefold()), len(path.parts)))
    prefixed = [path for path in found if names_model(model, path.name) and _has_size(model, path)]
    return prefixed[0] if len(prefixed) == 1 else None


def search_by_hash(model: Model, folders: Iterable[Path]) -> Path | None:
    """By content: reads every file of the right size, or of any size where the manifest states none."""
    if model.is_folder or not model.files[0].sha256:
        return None
    for path in (path for folder in folders for path in _list_candidates(model, folder)):
        if _has_size(model, path) and compute_sha256(path) == model.files[0].sha256:
            return path
    return None


def names_model(model: Model, name: str) -> bool:
    """Whether a file name is a known one, or ends in one: 'JackAILab_ConsistentID-v1.bin'."""
    name = name.casefold()
    return any(re.search(rf"(^|[\W_]){re.escape(known.casefold())}$", name) for known in model.names)


def list_model_folders(model: Model, folders: Iterable[Path]) -> dict[str, Path]:
    """{name: path} of every folder that holds such a model, whatever its name; known names first.

    A folder in a folder of the same name, as some archives unpack, goes by that name once.
    """
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in _list_candidates(model, folder)):
        found.setdefault(path.name, path)
    return dict(sorted(found.items(), key=lambda item: (not names_model(model, item[0]), item[0])))


def describe_missing(model: Model, name: str, folders: Iterable[Path]) -> CheckpointError:
    """The error for a model that is in none of the folders, with the file whose name comes nearest."""
    folders = list(folders)
    return CheckpointError(
        f"{model.title}: '{name}' was not found in {', '.join(map(str, folders))}. "
        f"{_suggest_nearest(model, name, folders)}{model.advice}"
    )


def compute_sha256(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """Lowercase hexadecimal digits. `check` is called for every megabyte, and may raise to stop."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            check()
            digest.update(block)
    return digest.hexdigest()


def _list_candidates(model: Model, folder: Path) -> Iterator[Path]:
    if model.marker is None:
        paths = (place / file for place, _, files in _walk(folder) for file in files)
        yield from (path for path in paths if not path.name.endswith(PARTIAL) and path.is_file())
        return
    containers = {folder, folder.joinpath(*model.folder.split("/")[1:])}
    for place, inside, _ in _walk(folder):
        if place not in containers and any(place.glob(model.marker)):
            inside.clear()
            yield place


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Like os.walk, through links but never twice to the same place; no hidden or unfinished folders."""
    seen = set()
    for place, inside, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not name.startswith(".") and not name.endswith(PARTIAL))
        yield Path(place), inside, sorted(files)


def _has_size(model: Model, path: Path) -> bool:
    return model.is_folder or model.files[0].size in (None, path.stat().st_size)


def _suggest_nearest(model: Model, name: str, folders: list[Path]) -> str:
    names = {}
    for place, inside, files in (step for folder in folders for step in _walk(folder)):
        names |= {item.casefold(): place / item for item in (inside if model.is_folder else files)}
    nearest = find_nearest(name, names)
    if not nearest:
        return ""
    path = names[nearest]
    incomplete = model.is_folder and path.name == name
    return f"{path} is not complete. " if incomplete else f"Is it {path} under another name? "
