"""Facial and ID tokens of an identity, from an adapter's networks."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..identity import Identity
from ..identity.compatibility import check_adapter
from .checkpoint import Adapter
from .config import ID_EMBEDDING_WIDTH, AdapterConfig


class Pair(NamedTuple):
    """What the two branches of guidance read, in the one order of this project. An engine stacks it as it batches."""

    person: Tensor
    nobody: Tensor


@dataclass(frozen=True)
class PlacedAdapter:
    """AdapterNetworks on the device and in the precision that they run in; tokens come back on the CPU."""

    adapter: Adapter
    device: torch.device
    dtype: torch.dtype = torch.float32

    @classmethod
    def find(cls, adapter: Adapter) -> "PlacedAdapter":
        """Where the weights of the networks are."""
        weight = adapter.facial_encoder.fuse_module.layer_norm.weight
        return cls(adapter, weight.device, weight.dtype)

    @property
    def config(self) -> AdapterConfig:
        return self.adapter.config

    def encode_regions(self, identity: Identity) -> tuple[dict[str, Tensor], Tensor]:
        check_adapter(identity, self.config, self.adapter.source)
        features = self._place(identity.stack_regions(identity.regions))
        *tokens, zero = self.adapter.facial_encoder.encode_regions(features).cpu()
        return dict(zip(identity.regions, tokens, strict=True)), zero

    def fuse(self, text: Tensor, region_tokens: Tensor, positions: Tensor, strengths: Tensor | None = None) -> Tensor:
        positions = positions.to(self.device)
        return self.adapter.facial_encoder(self._place(text), self._place(region_tokens), positions, strengths).to(text)

    @torch.no_grad()
    def project_identity(self, identity: Identity) -> Pair:
        """ID tokens [4, D] of the person and of nobody; without an ID embedding zeros take its place."""
        check_adapter(identity, self.config, self.adapter.source)
        unknown = torch.zeros(ID_EMBEDDING_WIDTH)
        embeddings = Pair(unknown if identity.id_embedding is None else identity.id_embedding, unknown)
        features = Pair(identity.photo_features, identity.zero_features)
        arguments = (self._place(torch.stack([x.float() for x in pair])) for pair in (embeddings, features))
        return Pair(*self.adapter.id_projection(*arguments, shortcut=self.config.shortcut).float().cpu())

    def _place(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype)
