"""From an aligned face to two text tokens, with the released weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, FaceNotFoundError
from ..face.face import Face, align_face
from ..weights import load_strictly, read_weights
from .expression import check_width
from .mapping import MappingNetwork, read_mapping_sizes
from .msid import MSIDEncoder, read_encoder_sizes

MSID, MAPPING = "msid", "mapping"
_SUFFIXES = (".pt", ".safetensors")
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class TextIdentity:
    """A person as two text tokens.

    vectors: [2, 768] in float32 on the CPU, as wide as the text encoder; each takes the place of a token's embedding
    and its position's together.
    """

    vectors: Tensor


class Face2Diffusion(nn.Module):
    """Aligned faces [B, 3, 112, 112] in -1..1 -> text tokens [B, 2, 768]. expression, strength: see MappingNetwork."""

    def __init__(self, msid: MSIDEncoder | None = None, mapping: MappingNetwork | None = None):
        super().__init__()
        self.msid = msid or MSIDEncoder()
        self.mapping = mapping or MappingNetwork()

    def forward(self, pixels: Tensor, expression: Tensor | None = None, strength: float | Tensor = 1.0) -> Tensor:
        return self.mapping(self.msid(pixels), expression, strength)


def load_face2diffusion(folder: str | Path) -> Face2Diffusion:
    """Both networks of a folder with msid and mapping (.pt or .safetensors), in float32 and eval mode.

    CheckpointError when one is missing, is another network, or they do not belong together.
    """
    networks = Face2Diffusion(load_msid(folder), load_mapping(folder)).float().eval()
    made, read = networks.msid.sizes.feature_width, networks.mapping.sizes.features
    if made != read:
        raise CheckpointError(
            f"The two networks in {folder} do not belong together: msid gives {made} features, mapping reads {read}. "
            "Put the msid there that the mapping was trained with."
        )
    return networks


def load_msid(folder: str | Path) -> MSIDEncoder:
    return _load(Path(folder), MSID, lambda state: MSIDEncoder(read_encoder_sizes(state)))


def load_mapping(folder: str | Path) -> MappingNetwork:
    return _load(Path(folder), MAPPING, lambda state: MappingNetwork(read_mapping_sizes(state)))


def _load(folder: Path, name: str, make: Callable[[dict], Network]) -> Network:
    path = find_weights(folder, name)
    state = read_weights(path)
    with torch.device("meta"):
        network = make(state)
    load_strictly(network, state, path.name)
    return network.float()


def align_for_text(photo: np.ndarray, face: Face | None) -> np.ndarray:
    """The aligned face, RGB uint8 [112, 112, 3]. FaceNotFoundError for a face without landmarks."""
    if face is None or face.landmarks is None:
        found = "no face" if face is None else "a face without landmarks, as the face cascade gives it"
        raise FaceNotFoundError(
            f"Face2Diffusion got {found}, and aligns the face by eyes, nose and mouth. Detect it with InsightFace."
        )
    return align_face(photo, face)


def prepare_pixels(crop: np.ndarray) -> Tensor:
    """An aligned face, RGB uint8 [112, 112, 3] -> [1, 3, 112, 112] in -1..1, float32."""
    return torch.from_numpy((crop / 255 - 0.5) / 0.5).float().permute(2, 0, 1)[None]


@torch.inference_mode()
def encode_face(
    networks: Face2Diffusion, crop: np.ndarray, expression: Tensor | None = None, strength: float = 1.0
) -> TextIdentity:
    """The person of an aligned face. expression: [64] or None; strength: see MappingNetwork.

    ConsistentIDError for a code that the mapping network does not read.
    """
    weight = networks.mapping.null_exp
    check_width(expression, networks.mapping.sizes.expression)
    expression = None if expression is None else expression[None].to(weight)
    return TextIdentity(networks(prepare_pixels(crop).to(weight), expression, strength)[0].float().cpu())


def find_weights(folder: Path, name: str) -> Path:
    """The file of MSID or MAPPING in a folder; CheckpointError without one."""
    path = next((path for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)
    if path is None:
        there = ", ".join(sorted(file.name for file in folder.glob("*"))[:8]) or "nothing"
        raise CheckpointError(
            f"{folder} holds no {name}.pt, but {there}. Face2Diffusion needs msid.pt and mapping.pt in one folder; "
            "models_manifest.json names the pages they are on."
        )
    return path
