"""Which file each part of a headless run is read from: the one that was named, else one of the models folder."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..adapter.config import ZOO
from ..errors import CheckpointError
from ..model_files.find import PACK, choose_models_folder, find_by_id
from .portrait_settings import PortraitSettings

CHECKPOINTS = "checkpoints"
ZOO_FOLDER = PACK / "zoo" / "models"
ZOO_FILES = {
    "checkpoint": "base",
    "adapter": "consistentid_zoo.safetensors",
    "clip_vision": "image_encoder",
    "face_parser": "face_parsing.safetensors",
    "face_package": "face",
}
ZOO_WORDS = {"face2diffusion": "face2diffusion"}
"""Parts that only a word of the prompt needs."""
ZOO_CONTENTS = {
    "checkpoint": ("model_index.json", "unet", "vae", "text_encoder", "tokenizer/vocab.json"),
    "clip_vision": ("config.json", "model.safetensors"),
    "face_package": ("det_zoo.onnx", ZOO.recogniser),
}
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


def find_zoo(parts: Iterable[str] = tuple(ZOO_FILES), folder: Path = ZOO_FOLDER) -> dict[str, Path]:
    """{part: path} of the small models in a folder, by default those that come with this pack.

    CheckpointError names a part that is not there.
    """
    paths = {part: folder / (ZOO_FILES | ZOO_WORDS)[part] for part in parts}
    advice = dict.fromkeys(paths, "Install the pack again.")
    advice |= dict.fromkeys(ZOO_WORDS, "It does not come with the pack: `python -m zoo.recipe FOLDER` trains it.")
    if folder != ZOO_FOLDER:
        advice = dict.fromkeys(paths, "Leave out --models-folder, or name a whole one.")
    for part, path in paths.items():
        for file in (path, *(path / name for name in ZOO_CONTENTS.get(part, ()))):
            if not file.exists():
                raise CheckpointError(
                    f"A part of {ZOO.title} is not there: {file} is missing. {advice[part]} Without ComfyUI, "
                    f"--{part.replace('_', '-')} names another file."
                )
    return paths
