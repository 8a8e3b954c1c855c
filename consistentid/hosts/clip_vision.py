"""CLIP ViT-H/14 through transformers: features of a photo and of its regions."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..adapter.config import CLIP_TOKENS, CLIP_WIDTH
from ..errors import CheckpointError, IncompatibleModelError, MissingPackageError
from ..face.regions import CLIP_SIZE_PX, preprocess_clip
from ..weights import load_strictly, read_weights

HEAD_WIDTH = 80
PATCH_PX = 14


def load_clip_vision(path: str | Path):
    """transformers' CLIPVisionModelWithProjection in float32, from its folder or from one weights file.

    Raises CheckpointError for a missing or foreign file, IncompatibleModelError for a CLIP of another size.
    """
    try:
        from transformers import CLIPVisionModelWithProjection
    except ImportError as error:
        raise MissingPackageError("transformers", "The image encoder", error) from error
    path = Path(path)
    if path.is_dir():
        try:
            model = CLIPVisionModelWithProjection.from_pretrained(path, dtype=torch.float32, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is not a CLIP image encoder of transformers: {error}") from error
    else:
        model = _read_file(path)
    config = model.config
    if (config.hidden_size, config.image_size, config.patch_size) != (CLIP_WIDTH, CLIP_SIZE_PX, PATCH_PX):
        raise _wrong_encoder(path, f"width {config.hidden_size}, {config.image_size} px, patch {config.patch_size}")
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def encode_images(clip_vision, images: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Penultimate hidden states [N, 257, 1280] of photos, and those of zero pixel values [257, 1280]; on the CPU."""
    pixels = torch.stack([torch.from_numpy(preprocess_clip(image)) for image in images])
    # Zeros on their own, so that they are the same for every photo.
    zero = _encode_pixels(clip_vision, torch.zeros_like(pixels[:1]))[0]
    return _encode_pixels(clip_vision, pixels), zero


def _encode_pixels(clip_vision, pixels: Tensor) -> Tensor:
    out = clip_vision(pixel_values=pixels.to(clip_vision.device, clip_vision.dtype), output_hidden_states=True)
    features = out.hidden_states[-2].float().cpu()
    assert features.shape[1:] == (CLIP_TOKENS, CLIP_WIDTH), features.shape
    return features


def _read_file(path: Path):
    """The encoder in a file with transformers' key names; what the file does not say is as in ViT-H/14."""
    from accelerate import init_empty_weights
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    weights = {key: value for key, value in read_weights(path).items() if not key.endswith("position_ids")}
    patches = weights.get("vision_model.embeddings.patch_embedding.weight")
    projection = weights.get("visual_projection.weight")
    if patches is None or projection is None:
        raise CheckpointError(
            f"{path.name} is not a CLIP image encoder with transformers' key names; it starts with "
            f"{', '.join(list(weights)[:3])}. "
            "Get CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors (see models_manifest.json)."
        )
    if patches.shape[0] != CLIP_WIDTH:
        raise _wrong_encoder(path, f"width {patches.shape[0]}")
    config = CLIPVisionConfig(
        hidden_size=CLIP_WIDTH,
        intermediate_size=weights["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=len({key.split(".")[3] for key in weights if key.startswith("vision_model.encoder.layers.")}),
        num_attention_heads=CLIP_WIDTH // HEAD_WIDTH,
        projection_dim=projection.shape[0],
        patch_size=patches.shape[-1],
        image_size=CLIP_SIZE_PX,
        hidden_act="gelu",
    )
    with init_empty_weights():
        model = CLIPVisionModelWithProjection(config)
    load_strictly(model, weights, path.name)
    return model.float()


def _wrong_encoder(path: Path, found: str) -> IncompatibleModelError:
    return IncompatibleModelError(
        f"{path} is another CLIP ({found}); ConsistentID needs ViT-H/14: width {CLIP_WIDTH}, {CLIP_SIZE_PX} px, patch "
        f"{PATCH_PX}. Use CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors."
    )
