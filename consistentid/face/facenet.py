"""FaceNet (arXiv 1503.03832), by which several papers measure FaceSim: it compares faces and conditions no adapter.

The network is Inception-ResNet-v1 with the names of facenet-pytorch 2.6 (MIT), so that its files load:
20180402-114759-vggface2.pt and 20180408-102900-casia-webface.pt, or the same tensors as safetensors. They are read
without executing anything. The crop is the detector's box, squashed to 160 px, as that package has it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import IncompatibleModelError
from ..weights import load_strictly, read_weights
from .detector import find_faces
from .face import Face
from .selection import find_place

SIDE_PX = 160
NAMES = ("vggface2", "casia-webface", "facenet")
"""One of these is in the name of its file."""
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")


def find_facenet_file(folder: Path) -> Path | None:
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    return next((file for file in files if any(name in file.name.lower() for name in NAMES)), None)


@dataclass(frozen=True, eq=False)
class FaceNetAnalysis:
    """A FaceSource: faces as InsightFace's detector finds them, described by FaceNet."""

    det_model: object
    network: "InceptionResnetV1"
    recogniser: str
    has_threshold = True

    def find_faces(self, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "") -> list[Face]:
        """Faces of an RGB photo [H, W, 3], left to right; there is one channel order only."""
        return sorted(find_faces(self.det_model, np.ascontiguousarray(photo[:, :, ::-1]), threshold), key=find_place)

    def recognise(self, photo: np.ndarray, face: Face, channel_order: str = "") -> Face:
        """id_embedding: [512] of unit length, of use only to compare faces."""
        return replace(face, id_embedding=self._describe(photo, face.box))

    def get(self, *_pictures, **_options):
        """What other packs ask for an ID embedding."""
        raise IncompatibleModelError(
            f"{self.recogniser} serves to compare faces, in 'Likeness Score' and 'evaluate'; its embeddings describe "
            "nobody to an adapter. Load the package buffalo_l."
        )

    @torch.inference_mode()
    def _describe(self, photo: np.ndarray, box: np.ndarray) -> np.ndarray:
        pixels = crop_box(photo, box).astype(np.float32)
        batch = torch.from_numpy(((pixels - 127.5) / 128.0).transpose(2, 0, 1)[None])
        embedding = self.network(batch)[0].numpy()
        if not np.isfinite(embedding).all():
            raise IncompatibleModelError(f"{self.recogniser} gives no numbers (NaN). Its file may be damaged.")
        return embedding


def crop_box(photo: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The box within an RGB photo [H, W, 3], squashed to [160, 160, 3]."""
    height, width = photo.shape[:2]
    left, top = int(np.clip(box[0], 0, width - 1)), int(np.clip(box[1], 0, height - 1))
    right, bottom = max(int(min(box[2], width)), left + 1), max(int(min(box[3], height)), top + 1)
    crop = Image.fromarray(np.ascontiguousarray(photo[top:bottom, left:right]))
    return np.asarray(crop.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))


def load_facenet(path: Path) -> "InceptionResnetV1":
    """The network with the weights of a file, in float32 on the CPU; CheckpointError for any other file."""
    weights = {key: tensor for key, tensor in read_weights(path).items() if not key.startswith("logits.")}
    with torch.device("meta"):
        network = InceptionResnetV1()
    # How many batches a normalisation saw: old files do not say, and only training asks.
    counters = (key for key in network.state_dict() if key.endswith("num_batches_tracked"))
    weights = {key: torch.zeros((), dtype=torch.long) for key in counters} | weights
    load_strictly(network, weights, path.name)
    return network.float()


class InceptionResnetV1(nn.Module):
    """Pictures [N, 3, 160, 160], (RGB - 127.5) / 128 -> embeddings [N, 512] of unit length."""

    def __init__(self):
        super().__init__()
        self.conv2d_1a = _Convolution(3, 32, 3, stride=2)
        self.conv2d_2a = _Convolution(32, 32, 3)
        self.conv2d_2b = _Convolution(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = _Convolution(64, 80, 1)
        self.conv2d_4a = _Convolution(80, 192, 3)
        self.conv2d_4b = _Convolution(192, 256, 3, stride=2)
        # Branches: channels in and out, and kernel.
        narrow, wide = ((256, 32, 1), (32, 32, 3)), ((256, 32, 1), (32, 32, 3), (32, 32, 3))
        self.repeat_1 = nn.Sequential(*(_Residual(256, 0.17, (256, 32, 1), narrow, wide) for _ in range(5)))
        self.mixed_6a = _Reduction((256, 384, 3), ((256, 192, 1), (192, 192, 3), (192, 256, 3)))
        cross = ((896, 128, 1), (128, 128, (1, 7)), (128, 128, (7, 1)))
        self.repeat_2 = nn.Sequential(*(_Residual(896, 0.10, (896, 128, 1), cross) for _ in range(10)))
        first = (896, 256, 1)
        self.mixed_7a = _Reduction(
            (first, (256, 384, 3)), (first, (256, 256, 3)), (first, (256, 256, 3), (256, 256, 3))
        )
        cross = ((1792, 192, 1), (192, 192, (1, 3)), (192, 192, (3, 1)))
        self.repeat_3 = nn.Sequential(*(_Residual(1792, 0.20, (1792, 192, 1), cross) for _ in range(5)))
        self.block8 = _Residual(1792, 1.0, (1792, 192, 1), cross, ends_linear=True)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=0.001)

    def forward(self, pictures: Tensor) -> Tensor:
        features = pictures
        for name, layer in self.named_children():
            features = layer(features.mean(dim=(2, 3)) if name == "last_linear" else features)
        return nn.functional.normalize(features, dim=1)


class _Convolution(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | str = 0):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, features: Tensor) -> Tensor:
        return self.bn(self.conv(features)).relu()


class _Residual(nn.Module):
    """What its branches find, added to what comes in."""

    def __init__(self, channels: int, scale: float, *branches, ends_linear: bool = False):
        super().__init__()
        self.scale, self.ends_linear = scale, ends_linear
        _add_branches(self, branches)
        found = sum((sizes if isinstance(sizes[0], int) else sizes[-1])[1] for sizes in branches)
        self.conv2d = nn.Conv2d(found, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        changed = self.conv2d(torch.cat(_run_branches(self, features), 1)) * self.scale + features
        return changed if self.ends_linear else changed.relu()


class _Reduction(nn.Module):
    """What its branches find, and the largest of what comes in, at half the size."""

    def __init__(self, *branches):
        super().__init__()
        _add_branches(self, branches, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([*_run_branches(self, features), nn.functional.max_pool2d(features, 3, 2)], 1)


def _add_branches(block: nn.Module, branches: tuple, stride: int = 1) -> None:
    """branch0, branch1, ...: one convolution, or several in a row, whose last has the stride."""
    for number, sizes in enumerate(branches):
        *before, last = [sizes] if isinstance(sizes[0], int) else sizes
        row = [_Convolution(*one, padding="same") for one in before]
        row.append(_Convolution(*last, stride=stride, padding="same" if stride == 1 else 0))
        block.add_module(f"branch{number}", nn.Sequential(*row) if before else row[0])


def _run_branches(block: nn.Module, features: Tensor) -> list[Tensor]:
    return [layer(features) for name, layer in block.named_children() if name.startswith("branch")]
