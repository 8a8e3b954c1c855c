"""The adapter's image encoder, CLIP ViT-H/14, through transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from ..adapter.config import AdapterConfig
from ..errors import CheckpointError, IncompatibleModelError
from ..face.regions import CLIP_SIZE_PX
from ..packages import needed
from ..weights import load_strictly, own_memory, read_weights


@dataclass(frozen=True, eq=False)
class ClipVision:
    """An ImageEncoder. network: of load_clip_vision."""

    network: nn.Module

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        pixels = pixels.to(next(self.network.parameters()))
        return self.network(pixel_values=pixels, output_hidden_states=True).hidden_states[-2].float()


def load_clip_vision(path: str | Path, base: AdapterConfig) -> nn.Module:
    """transformers' CLIPVisionModelWithProjection in float32, from its folder or from one weights file.

    base: of the adapter that reads its features. Raises CheckpointError for a missing or foreign file,
    IncompatibleModelError for a CLIP of another size.
    """
    with needed("transformers", "The image encoder"):
        from transformers import CLIPVisionModelWithProjection
    path = Path(path)
    if path.is_dir():
        try:
            model = CLIPVisionModelWithProjection.from_pretrained(path, dtype=torch.float32, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is not a CLIP image encoder of transformers: {error}") from error
    else:
        model = _read_file(path, base)
    found = (model.config.hidden_size, model.config.image_size, model.config.patch_size)
    if found != (base.sizes.image_width, CLIP_SIZE_PX, base.sizes.patch_px):
        raise _wrong_encoder(path, "width {}, {} px, patch {}".format(*found), base)
    return own_memory(model).eval().requires_grad_(False)


def _read_file(path: Path, base: AdapterConfig):
    """The encoder in a file with transformers' key names; what the file does not say is as the adapter needs it."""
    with needed("accelerate", "The image encoder"):
        from accelerate import init_empty_weights
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    weights = {key: value for key, value in read_weights(path).items() if not key.endswith("position_ids")}
    patches = weights.get("vision_model.embeddings.patch_embedding.weight")
    projection = weights.get("visual_projection.weight")
    hidden = weights.get("vision_model.encoder.layers.0.mlp.fc1.weight")
    if not (_is_matrix(patches) and _is_matrix(projection) and _is_matrix(hidden)):
        raise CheckpointError(
            f"{path.name} is not a CLIP image encoder with transformers' key names; it starts with "
            f"{', '.join(list(weights)[:3])}. "
            f"Get {base.image_encoder}."
        )
    width = base.sizes.image_width
    if patches.shape[0] != width:
        raise _wrong_encoder(path, f"width {patches.shape[0]}", base)
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=hidden.shape[0],
        num_hidden_layers=len({key.split(".")[3] for key in weights if key.startswith("vision_model.encoder.layers.")}),
        num_attention_heads=base.sizes.image_heads,
        projection_dim=projection.shape[0],
        patch_size=patches.shape[-1],
        image_size=CLIP_SIZE_PX,
        hidden_act="gelu",
    )
    with init_empty_weights():
        model = CLIPVisionModelWithProjection(config)
    load_strictly(model, weights, path.name)
    return model.float()


def _is_matrix(weight: Any) -> TypeGuard[Tensor]:
    return isinstance(weight, Tensor) and weight.ndim > 1


def _wrong_encoder(path: Path, found: str, base: AdapterConfig) -> IncompatibleModelError:
    return IncompatibleModelError(
        f"{path} is another CLIP ({found}); the adapter for {base.title} needs width {base.sizes.image_width}, "
        f"{CLIP_SIZE_PX} px, patch {base.sizes.patch_px}. Use {base.image_encoder}."
    )
