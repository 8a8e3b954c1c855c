"""Facial and ID tokens of an identity that fits an adapter (see `check_adapter`), from the adapter's networks.

device, dtype: where the networks run, and in what precision.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..identity import Identity
from .checkpoint import Adapter
from .config import ID_EMBEDDING_WIDTH


class Pair(NamedTuple):
    """What the two branches of guidance read, in the one order of this project. An engine stacks it as it batches."""

    person: Tensor
    nobody: Tensor


def encode_regions(
    adapter: Adapter, identity: Identity, device, dtype: torch.dtype = torch.float32
) -> tuple[dict[str, Tensor], Tensor]:
    """Region tokens {key: [D]} and the token of zero pixels [D], on the CPU."""
    features = identity.stack_regions(identity.regions).float().to(device, dtype)
    *tokens, zero = adapter.facial_encoder.encode_regions(features).cpu()
    return dict(zip(identity.regions, tokens, strict=True)), zero


def fuse_tokens(
    adapter: Adapter,
    text: Tensor,
    tokens: Tensor,
    positions: Tensor,
    strengths: Tensor | None,
    device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Facial tokens put into a text embedding [1, T, D] (see FacialEncoder); a new tensor like it."""
    text_there, tokens = (x.to(device, dtype) for x in (text, tokens))
    return adapter.facial_encoder(text_there, tokens, positions.to(device), strengths).to(text)


def project_identity(adapter: Adapter, identity: Identity, device, dtype: torch.dtype = torch.float32) -> Pair:
    """ID tokens [4, D] of the person and of nobody, on the CPU; without an ID embedding zeros take its place."""
    unknown = torch.zeros(ID_EMBEDDING_WIDTH)
    embeddings = Pair(unknown if identity.id_embedding is None else identity.id_embedding, unknown)
    features = Pair(identity.photo_features, identity.zero_features)
    embeddings, features = (torch.stack([x.float() for x in pair]).to(device, dtype) for pair in (embeddings, features))
    return Pair(*adapter.id_projection(embeddings, features, shortcut=adapter.config.shortcut).cpu())
