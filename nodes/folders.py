"""Where ComfyUI keeps the files of this pack, and what a loader node offers."""

from collections.abc import Callable
from pathlib import Path

import folder_paths

from ..consistentid.errors import CheckpointError
from ..consistentid.models.manifest import Model, read_manifest

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


def list_files(*ids: str) -> list[str]:
    """Files a loader may offer for the given manifest models: known names first, then files nobody else claims."""
    models = [read_manifest()[id] for id in ids]
    wanted = {name for model in models for name in model.names}
    claimed = {name for model in read_manifest().values() for name in model.names} - wanted
    found = [file for kind in (ADAPTERS, "facexlib") for file in folder_paths.get_filename_list(kind)]
    found = [file for file in found if Path(file).name not in claimed and Path(file).parts[0] != "identities"]
    known = [file for file in found if Path(file).name in wanted]
    return list(dict.fromkeys(known + found))


def find_file(name: str, id: str) -> str:
    """Full path of a file a loader offered."""
    for kind in (ADAPTERS, "facexlib"):
        path = folder_paths.get_full_path(kind, name)
        if path:
            return path
    raise _not_found(name, read_manifest()[id], _folders(ADAPTERS) + _folders("facexlib"))


def list_folders(id: str) -> list[str]:
    """Names of model folders (packages) for a manifest model that is a folder."""
    return sorted(_scan_folders(id))


def find_folder(name: str, id: str) -> Path:
    """Full path of a model folder a loader offered."""
    found = _scan_folders(id)
    if name in found:
        return found[name]
    model = read_manifest()[id]
    raise _not_found(name, model, _folders(model.folder.split("/")[0]))


def check(find: Callable[[str, str], object], name: str | None, id: str) -> bool | str:
    """For a loader's `validate_inputs`: True when the file is there, else what to do, before anything runs.

    The name is None while another node has yet to give it.
    """
    if name is None:
        return True
    try:
        find(name, id)
    except CheckpointError as error:
        return str(error)
    return True


def _scan_folders(id: str) -> dict[str, Path]:
    kind, _, below = read_manifest()[id].folder.partition("/")
    marker = "*.onnx" if kind == "insightface" else "config.json"
    found: dict[str, Path] = {}
    for root in _folders(kind):
        for folder in sorted((Path(root) / below).glob("*")):
            # antelopev2.zip and others unpack to a folder of the same name inside.
            for place in (folder, folder / folder.name):
                if place.is_dir() and any(place.glob(marker)):
                    found.setdefault(folder.name, place)
    return found


def _folders(kind: str) -> list[str]:
    return list(folder_paths.folder_names_and_paths[kind][0])


def _not_found(name: str, model: Model, folders: list[str]) -> CheckpointError:
    return CheckpointError(f"{model.title}: '{name}' was not found in {', '.join(folders)}. {model.advice}")
