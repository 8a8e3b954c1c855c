"""What an engine brings; the core holds the rest of the method and asks through these."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from .face.face import Face

# Photos: faces, their regions, and what CLIP makes of them.


class FaceSource(Protocol):
    """Finds the faces of photos.

    has_threshold: whether it reads threshold and channel order; others ignore them. recogniser: file name of what makes
    its ID embeddings, "" where it makes none, or nobody knows.
    """

    has_threshold: bool

    @property
    def recogniser(self) -> str: ...

    def find_faces(self, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR") -> "list[Face]":
        """All faces of an RGB photo uint8 [H, W, 3], left to right, boxes in its pixels; none of them is no error.

        threshold: lowest detection score, 0..1. channel_order: of CHANNEL_ORDERS, what the networks are given.
        """


class FaceParser(Protocol):
    """Tells the parts of a face. source: the name of its file, "" where it has none."""

    source: str

    def parse(self, photo: np.ndarray, side_px: int = 512) -> np.ndarray:
        """Label map uint8 [side_px, side_px], as face.parsing.LABELS, of an RGB photo [H, W, 3], squashed."""


class ImageEncoder(Protocol):
    """The CLIP that the adapter was trained with. network: the object that holds its weights, and lives as long."""

    network: Any

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """CLIP pixel values [N, 3, 224, 224] -> penultimate hidden states float32 [N, 257, 1280], in one batch.

        They may be on any device. The shape is that of CLIP ViT-H/14; see NetworkSizes.image_shape.
        """
