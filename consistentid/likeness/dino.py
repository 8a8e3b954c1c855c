"""A picture encoder of the DINO family, through transformers."""

from pathlib import Path

import numpy as np
import torch

from ..errors import CheckpointError, IncompatibleModelError
from ..packages import needed
from ..weights import own_memory

KINDS = ("dinov2", "dinov2_with_registers", "dinov3_vit", "vit")
"""transformers' model types whose first token stands for the whole picture; DINO of 2021 is a "vit"."""


class Dino:
    """A vision transformer and its image processor; `model` is an nn.Module that a host may move between devices."""

    def __init__(self, model: torch.nn.Module, processor):
        self.model = model
        self.processor = processor

    @torch.inference_mode()
    def encode(self, pictures: list[np.ndarray]) -> np.ndarray:
        """RGB pictures [H, W, 3] of any sizes -> class tokens float32 [N, D] of unit length, in one batch."""
        from PIL import Image

        pixels = self.processor(images=[Image.fromarray(picture) for picture in pictures], return_tensors="pt")
        batch = pixels["pixel_values"].to(self.model.device, self.model.dtype)
        tokens = self.model(pixel_values=batch).last_hidden_state[:, 0].float()
        return torch.nn.functional.normalize(tokens, dim=-1).cpu().numpy()


def load_dino(folder: str | Path) -> Dino:
    """An encoder from a local folder in transformers' format, in float32 on the CPU. Never downloads.

    Raises MissingPackageError, CheckpointError, or IncompatibleModelError for a model that is not of KINDS.
    """
    folder = Path(folder)
    with needed("transformers", "Comparing facial regions"):
        from transformers import AutoConfig, AutoImageProcessor, AutoModel
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"No transformers model in {folder}: config.json is missing.")
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
    except Exception as error:
        raise CheckpointError(f"{folder} holds no config.json that transformers knows: {error}") from error
    if config.model_type not in KINDS:
        raise IncompatibleModelError(
            f"{folder} holds a model of type '{config.model_type}'; comparing regions needs a DINO, one of "
            f"{', '.join(KINDS)}. Use facebook/dinov2-base."
        )
    try:
        processor = AutoImageProcessor.from_pretrained(folder, **local)
        model, report = AutoModel.from_pretrained(
            folder, config=config, use_safetensors=True, output_loading_info=True, **local
        )
    except Exception as error:
        raise CheckpointError(f"{folder} is not a picture encoder that transformers can load: {error}") from error
    # DINO's own files have no pooler, and it is not used.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise CheckpointError(f"{folder} lacks weights: {missing[:5]}. Download it again.")
    return Dino(own_memory(model).float().eval(), processor)
