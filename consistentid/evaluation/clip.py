"""CLIP: texts and pictures in one space, through transformers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError
from ..packages import needed
from ..weights import own_memory

if TYPE_CHECKING:
    from transformers import CLIPModel


class Clip:
    """A CLIP of transformers and its processor."""

    def __init__(self, model: "CLIPModel", processor):
        self.model = model
        self.processor = processor

    @torch.inference_mode()
    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """float32 [N, D] of unit length; what is longer than the model's 77 tokens is cut off."""
        tokens = self.processor.tokenizer(texts, return_tensors="pt", padding=True, truncation=True)
        inputs = {name: tokens[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
        return _normalise(self.model.text_projection(self.model.text_model(**inputs).pooler_output))

    @torch.inference_mode()
    def encode_pictures(self, pictures: list[np.ndarray]) -> np.ndarray:
        """RGB pictures [H, W, 3] of any sizes -> float32 [N, D] of unit length."""
        from PIL import Image

        images = [Image.fromarray(picture) for picture in pictures]
        pixels = self.processor.image_processor(images=images, return_tensors="pt")["pixel_values"]
        pixels = pixels.to(self.model.device, self.model.dtype)
        return _normalise(self.model.visual_projection(self.model.vision_model(pixel_values=pixels).pooler_output))


def load_clip(folder: str | Path) -> Clip:
    """A CLIP from a local folder of transformers, in float32 on the CPU. Never downloads. CheckpointError."""
    folder = Path(folder)
    with needed("transformers", "CLIP-T and CLIP-I"):
        from transformers import CLIPModel, CLIPProcessor
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"No transformers model in {folder}: config.json is missing.")
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        processor = CLIPProcessor.from_pretrained(folder, **local)
        found = CLIPModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **local)
        model, report = cast(tuple[CLIPModel, dict], found)
    except Exception as error:
        raise CheckpointError(f"{folder} is not a CLIP that transformers can load: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise CheckpointError(f"{folder} lacks weights: {missing[:5]}. Name a whole CLIP, texts and pictures.")
    return Clip(own_memory(model).float().eval(), processor)


def _normalise(vectors: Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
