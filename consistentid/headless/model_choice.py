"""Which file each part of a headless run is read from: the one that was named, else one of the models folder."""

import re
from dataclasses import replace
from pathlib import Path

from ..adapter.config import ZOO
from ..errors import CheckpointError
from ..model_files.find import choose_models_folder, find_by_id
from ..model_files.small_models import ZOO_FOLDER, find_zoo
from .portrait_settings import PortraitSettings

CHECKPOINTS = "checkpoints"
USUAL_CHECKPOINTS = {"sd15": r"realistic.?vision", "sdxl": r"realvis.?xl"}


def find_files(settings: PortraitSettings) -> PortraitSettings:
    """The settings with a path for every model that the run needs. Looks at the models folder only if one is missing.

    The small ones are beside the package, or in the folder that is named.

    CheckpointError names what is missing and where it can be had.
    """
    reads_regions = settings.photos and settings.consistentid
    wanted = {"adapter": f"adapter_{settings.base}"} if settings.consistentid else {}
    wanted |= {"clip_vision": "clip_vision", "face_parser": "face_parser"} if reads_regions else {}
    wanted |= {"face_package": "face_analysis"} if settings.photos and settings.id_embedding else {}
    wanted |= {"face2diffusion": "face2diffusion"} if settings.word else {}
    missing = {name: model_id for name, model_id in wanted.items() if not getattr(settings, name)}
    if not missing and settings.checkpoint:
        return settings
    if settings.base == ZOO.name:
        unnamed = [*missing, *([] if settings.checkpoint else ["checkpoint"])]
        folder = choose_models_folder(settings.models_folder) if settings.models_folder else ZOO_FOLDER
        return replace(settings, **{name: str(path) for name, path in find_zoo(unnamed, folder).items()})
    folder = choose_models_folder(settings.models_folder or None)
    found = {name: find_by_id(model_id, folder) for name, model_id in missing.items()}
    return replace(settings, checkpoint=settings.checkpoint or find_checkpoint(folder, settings.base), **found)


def find_checkpoint(folder: Path, base: str) -> str:
    """The usual checkpoint of a base model in a models folder; the user's choice can only be named."""
    files = sorted(path for path in (folder / CHECKPOINTS).rglob("*") if path.suffix in (".safetensors", ".ckpt"))
    usual = [path for path in files if re.search(USUAL_CHECKPOINTS[base], path.name, re.IGNORECASE)]
    if not usual:
        raise CheckpointError(
            f"Name the base model with --checkpoint. In {folder / CHECKPOINTS} there are: "
            f"{', '.join(path.name for path in files[:8]) or 'none'}."
        )
    return str(usual[0])
