"""Where ComfyUI keeps the files of this pack, and what a loader node offers."""

from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import folder_paths

from ...consistentid.errors import CheckpointError
from ...consistentid.model_files.find import PARTIAL, describe_missing, find_model, list_model_folders, names_model
from ...consistentid.model_files.manifest import Model, read_manifest

ADAPTERS = "consistentid"
IDENTITIES = "consistentid_identities"
_WEIGHTS = {".bin", ".safetensors", ".pth", ".pt"}


def register() -> None:
    """Tell ComfyUI the folders of this pack; entries of extra_model_paths.yaml are kept."""
    models = Path(folder_paths.models_dir)
    for kind, folder, suffixes in (
        (ADAPTERS, models / "consistentid", _WEIGHTS),
        ("facexlib", models / "facexlib", _WEIGHTS),
        ("insightface", models / "insightface", set()),
        ("LLM", models / "LLM", set()),
        (IDENTITIES, models / "consistentid" / "identities", {".safetensors"}),
    ):
        paths, known = folder_paths.folder_names_and_paths.get(kind, ([], set()))
        if str(folder) not in paths:
            paths = [*paths, str(folder)]
        folder_paths.folder_names_and_paths[kind] = (paths, set(known) | suffixes)


def list_search_folders(model: Model) -> list[Path]:
    """Every folder in which ComfyUI looks for this kind of model."""
    return [Path(folder) for kind in model.kinds for folder in folder_paths.get_folder_paths(kind)]


def list_files(*ids: str) -> list[str]:
    """Files a loader may offer for the given manifest models: known names first, then files nobody else claims."""
    models = read_manifest()
    wanted = [models[id] for id in ids]
    others = [model for model in models.values() if model not in wanted]
    kinds = dict.fromkeys(kind for model in wanted for kind in model.kinds)
    listed = [file for kind in kinds for file in folder_paths.get_filename_list(kind)]
    found = [file for file in listed if not any(part.endswith(PARTIAL) for part in Path(file).parts)]
    known = [file for file in found if any(names_model(model, Path(file).name) for model in wanted)]
    return list(dict.fromkeys(known + [file for file in found if not _is_claimed(Path(file), others)]))


def find_file(name: str, id: str) -> str:
    """Full path of a file a loader offered, or of the same model under another of its names."""
    models = read_manifest()
    for kind in models[id].kinds:
        path = find_path(kind, name)
        if path:
            return path
    named = next((model for model in models.values() if PureWindowsPath(name).name in model.names), None)
    if named:
        return str(find_model(named, list_search_folders(named)))
    raise describe_missing(models[id], name, list_search_folders(models[id]))


def find_path(kind: str, name: str) -> str | None:
    """Full path of a file in ComfyUI's folders of a kind, also by the name that it had on another system.

    A workflow that was saved on Windows calls it `folder\\file`.
    """
    spellings = (name, PureWindowsPath(name).as_posix())
    return next((path for spelling in spellings if (path := folder_paths.get_full_path(kind, spelling))), None)


def list_folders(*ids: str) -> list[str]:
    """Names of model folders (packages) for manifest models that are folders; the known one of each first."""
    return list(_map_folders(ids))


def find_folder(name: str, *ids: str) -> Path:
    """Full path of a model folder a loader offered."""
    found = _map_folders(ids)
    last = PureWindowsPath(name).name
    if name in found or last in found:
        return found.get(name) or found[last]
    models = [read_manifest()[id] for id in ids]
    model = next((model for model in models if last in model.names), models[0])
    raise describe_missing(model, name, list_search_folders(model))


def check(find: Callable[..., object], name: str | None, *ids: str) -> bool | str:
    """For a loader's `validate_inputs`: True when the file is there, else what to do, before anything runs.

    The name is None while another node has yet to give it.
    """
    if name is None:
        return True
    try:
        find(name, *ids)
    except CheckpointError as error:
        return str(error)
    return True


def fingerprint(find: Callable[..., str | Path], name: str | None, *ids: str) -> str:
    """For a loader's `fingerprint_inputs`: another text when the file, or one in the folder, was replaced."""
    if name is None:
        return ""
    try:
        return describe_files(Path(find(name, *ids)))
    except (CheckpointError, OSError):
        return ""


def describe_files(*paths: Path) -> str:
    """Size and times of files and of all that is in folders: what tells a file from the one before it."""
    files = sorted(file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    states = [(file.as_posix(), file.stat()) for file in files if file.is_file()]
    return repr([(name, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for name, state in states])


def _is_claimed(file: Path, others: list[Model]) -> bool:
    """Whether a file is another model, is inside one, or is an identity."""
    inside = {model.name for model in others if model.is_folder} | {"identities"}
    return any(names_model(model, file.name) for model in others) or file.parts[0] in inside


def _map_folders(ids: tuple[str, ...]) -> dict[str, Path]:
    """{name: path}, of the first model that a name stands for."""
    found: dict[str, Path] = {}
    for model in (read_manifest()[id] for id in ids):
        found |= {
            name: path
            for name, path in list_model_folders(model, list_search_folders(model)).items()
            if name not in found
        }
    return found
