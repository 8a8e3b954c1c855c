"""What an engine brings; the core holds the rest of the method and asks through these."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from .adapter.config import AdapterConfig
    from .face.face import Face
    from .identity import Identity

# Photos: faces, their regions, and what CLIP makes of them.


class FaceSource(Protocol):
    """Finds the faces of photos.

    has_threshold: whether it reads threshold and channel order; others ignore them. recogniser: file name of what makes
    its ID embeddings, "" where it makes none, or nobody knows.
    """

    @property
    def has_threshold(self) -> bool: ...

    @property
    def recogniser(self) -> str: ...

    def find_faces(self, photo: np.ndarray, threshold: float = 0.5, channel_order: str = "BGR") -> "list[Face]":
        """All faces of an RGB photo uint8 [H, W, 3], left to right, boxes in its pixels; none of them is no error.

        threshold: lowest detection score, 0..1. channel_order: of CHANNEL_ORDERS, what the networks are given.
        """
        ...

    def recognise(self, photo: np.ndarray, face: "Face", channel_order: str = "BGR") -> "Face":
        """A face of that photo with its ID embedding [D] of unit length; as it is where the source makes none.

        Apart, as it takes the longest, and of a crowd one face is asked for.
        """
        ...


class FaceParser(Protocol):
    """Tells the parts of a face. source: the name of its file, "" where it has none."""

    @property
    def source(self) -> str: ...

    def parse(self, photo: np.ndarray, side_px: int = 512) -> np.ndarray:
        """Label map uint8 [side_px, side_px], as face.parsing.LABELS, of an RGB photo [H, W, 3], squashed."""
        ...


class ImageEncoder(Protocol):
    """The CLIP that the adapter was trained with. network: the object that holds its weights, and lives as long."""

    @property
    def network(self) -> Any: ...

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """CLIP pixel values [N, 3, 224, 224] -> penultimate hidden states float32 [N, 257, 1280], in one batch.

        They may be on any device. The shape is that of CLIP ViT-H/14; see NetworkSizes.image_shape.
        """
        ...


# Texts: their tokens, their embeddings, and facial tokens in those.

Chunks = dict[str, list[list[tuple[Any, float]]]]
"""{encoder: chunks of (token, weight)}; begin, end and padding included. Encoders as in AdapterConfig.text_encoders."""


class TokenizedText(NamedTuple):
    """words: {encoder: (position over all chunks, token) of every token that belongs to a word}, in text order; a token
    is compared by `==` alone."""

    chunks: Chunks
    words: dict[str, list[tuple[int, Any]]]


class LiteralText(NamedTuple):
    """ids: of a text's words in one encoder; begin, end, pad: the tokens around them."""

    ids: list[int]
    begin: int
    end: int
    pad: int


class Entry(NamedTuple):
    """One text embedding. rows: [1, T, D]; extra: what else the engine keeps of it, carried through unseen; own: for
    each person the positions [N] of the tokens about them, the rest being about the whole picture."""

    rows: Tensor
    extra: Any = None
    own: tuple[Tensor, ...] = ()


class TextEncoder(Protocol):
    """Tokenizers and text encoders of a base model."""

    def tokenize(self, text: str) -> TokenizedText:
        """All that the engine can read in a text of any length: chunks, and emphasis and embeddings if it knows them.

        A word's tokens must not depend on the words beside it.
        """
        ...

    def tokenize_literally(self, text: str) -> dict[str, LiteralText]:
        """A text as the released code reads it, by encoder: nothing but words and signs, and not cut."""
        ...

    def encode(self, chunks: Chunks) -> list[Entry]:
        """The text embedding; several where the engine changes the encoder on the way, each for its part of a run."""
        ...


class AdapterNetworks(Protocol):
    """An adapter's networks, wherever the engine keeps them. IncompatibleModelError for an identity of other models."""

    @property
    def config(self) -> "AdapterConfig": ...

    def encode_regions(self, identity: "Identity") -> tuple[dict[str, Tensor], Tensor]:
        """Region tokens {key: [D]} and the token of zero pixels [D]."""
        ...

    def fuse(self, text: Tensor, region_tokens: Tensor, positions: Tensor, strengths: Tensor | None = None) -> Tensor:
        """Facial tokens put into a text embedding [1, T, D] (see FacialEncoder); a new tensor like it."""
        ...
