"""Naming the traits of a face by a small network of this project: no language model, and only words it has learnt."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..errors import CheckpointError
from ..face.framing import crop_square, surround_head
from ..face.parsing import ConvBNReLU, ResidualBlock
from ..weights import load_strictly, read_metadata, read_weights

SIDE_PX = 96
WIDTHS = (24, 48, 96, 128)
GRID = SIDE_PX // 8


class TraitHead(nn.Module):
    """Names every trait from tokens [N, L, width]: each looks where it likes, and is told linearly from what it saw.

    sizes: the number of classes of each trait.
    """

    def __init__(self, width: int, sizes: Sequence[int]):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.look = nn.Linear(width, len(sizes))
        self.tell = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, tokens: Tensor) -> list[Tensor]:
        """Logits [N, classes] of each trait."""
        tokens = self.norm(tokens)
        seen = self.look(tokens).softmax(dim=1).transpose(1, 2) @ tokens
        return [tell(seen[:, index]) for index, tell in enumerate(self.tell)]


class TraitReader(nn.Module):
    """Heads [N, 3, SIDE_PX, SIDE_PX] in -1..1 -> logits [N, classes] of each trait.

    classes: {trait: names}.
    """

    def __init__(self, classes: Mapping[str, Sequence[str]]):
        super().__init__()
        self.classes = {trait: tuple(names) for trait, names in classes.items()}
        first, second, third, last = WIDTHS
        self.fine = nn.Sequential(
            ConvBNReLU(3, first, 5, 2, 2),
            ResidualBlock(first, second, 2),
            ResidualBlock(second, third, 2),
            ResidualBlock(third, third, 1),
        )
        self.coarse = nn.Sequential(ResidualBlock(third, last, 2), ResidualBlock(last, last, 1))
        self.spread = nn.Conv2d(last, third, 1)
        self.place = nn.Parameter(torch.randn(GRID * GRID, third) * 0.02)
        self.head = TraitHead(third, [len(names) for names in self.classes.values()])

    def forward(self, heads: Tensor) -> list[Tensor]:
        fine = self.fine(heads)
        seen = fine + F.interpolate(self.spread(self.coarse(fine)), scale_factor=2.0)
        return self.head(seen.flatten(2).mT + self.place)

    @torch.inference_mode()
    def read(self, head: np.ndarray) -> dict[str, dict[str, float]]:
        """An RGB uint8 square [S, S, 3] around a head, as `surround_head` cuts it -> {trait: {class: probability}}."""
        small = Image.fromarray(head).resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
        pixels = normalise_heads(torch.from_numpy(np.array(small)[None]))
        chances = [logits[0].float().softmax(dim=0).tolist() for logits in self(pixels.to(self.place))]
        return {
            trait: dict(zip(names, shares, strict=True))
            for (trait, names), shares in zip(self.classes.items(), chances, strict=True)
        }


def normalise_heads(heads: Tensor) -> Tensor:
    """uint8 [N, S, S, 3] -> float32 [N, 3, S, S] in -1..1."""
    return heads.permute(0, 3, 1, 2).float() / 127.5 - 1


def load_trait_reader(path: str | Path) -> TraitReader:
    """From safetensors, computing in float32. CheckpointError for a file of something else."""
    try:
        classes = json.loads(read_metadata(path)["classes"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is no trait reader: its header does not say which traits it tells.") from error
    with torch.device("meta"):
        reader = TraitReader(classes)
    load_strictly(reader, read_weights(path), str(path))
    return reader.float()


def read_traits(reader: TraitReader, photo: np.ndarray, box: np.ndarray) -> dict[str, dict[str, float]]:
    """Of the face with this box [x0, y0, x1, y1] in an RGB photo [H, W, 3]: {trait: {class: probability}}."""
    return reader.read(crop_square(photo, surround_head(photo, box)))
