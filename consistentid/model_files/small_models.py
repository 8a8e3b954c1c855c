"""Where the small models lie that come with this pack."""

from collections.abc import Iterable
from pathlib import Path

from ..adapter.config import ZOO
from ..errors import CheckpointError
from .find import PACK

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
