"""Networks of this pack under ComfyUI's memory management: loaded, counted and freed by the host."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from ...consistentid.adapter.checkpoint import Adapter, load_adapter
from ...consistentid.adapter.config import AdapterConfig
from ...consistentid.adapter.tokens import Pair, PlacedAdapter
from ...consistentid.errors import CaptionError
from ...consistentid.identity import Identity
from ...consistentid.identity.compatibility import check_adapter
from ...consistentid.likeness.dino import Dino

OPERATIONS = comfy.ops.manual_cast


def make_patcher(module: nn.Module, disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    """A ModelPatcher that owns `module` and moves it between the host's devices.

    disable_dynamic: not of the kind of newer hosts that reads weights from the file when they are used.
    """
    plain = comfy.model_patcher.ModelPatcher
    kind = plain if disable_dynamic else vars(comfy.model_patcher).get("CoreModelPatcher", plain)
    return kind(
        module,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def load_to_device(patcher: comfy.model_patcher.ModelPatcher, whole: bool = False) -> torch.device:
    """Have the host load the module; returns the device to send inputs to.

    whole: for networks of plain torch layers, which cannot run with a part of them elsewhere.
    """
    comfy.model_management.load_models_gpu([patcher], force_full_load=whole)
    return patcher.load_device


@dataclass(frozen=True, eq=False)
class HostedFaceParser:
    """A FaceParser whose weights the host loads when a photo is parsed. patcher: of a BiSeNet."""

    patcher: comfy.model_patcher.ModelPatcher

    @property
    def source(self) -> str:
        return self.patcher.model.source

    def parse(self, photo: np.ndarray, side_px: int = 512) -> np.ndarray:
        load_to_device(self.patcher, whole=True)
        return self.patcher.model.parse(photo, side_px)


class HostedDino:
    """An image encoder whose weights the host loads when pictures are encoded."""

    def __init__(self, encoder: Dino):
        # The host writes attributes on the module it owns; transformers' models forbid that, a list does not.
        self.patcher = make_patcher(torch.nn.ModuleList([encoder.model]))
        self.encoder = encoder

    def encode(self, pictures: list[np.ndarray]) -> np.ndarray:
        load_to_device(self.patcher, whole=True)
        return self.encoder.encode(pictures)


@dataclass(frozen=True, eq=False)
class HostedAdapter:
    """AdapterNetworks that the host manages; tokens of an identity are computed once and kept on the CPU.

    facial, identity: owners of the FacialEncoder, and of the ID projection with its layers.
    uuid: names the low-rank weights, see patching.name_patches.
    """

    adapter: Adapter
    facial: comfy.model_patcher.ModelPatcher
    identity: comfy.model_patcher.ModelPatcher
    uuid: UUID = field(default_factory=uuid4)
    # By photo features, and with the region features they come from: identities that differ in strengths share them.
    _region_tokens: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)
    _id_tokens: WeakKeyDictionary = field(default_factory=WeakKeyDictionary)

    @classmethod
    def load(cls, path: str) -> "HostedAdapter":
        return cls.wrap(load_adapter(path, OPERATIONS))

    @classmethod
    def wrap(cls, adapter: Adapter) -> "HostedAdapter":
        networks = nn.ModuleList([adapter.id_projection, adapter.id_layers])
        return cls(adapter, make_patcher(adapter.facial_encoder), make_patcher(networks))

    @property
    def config(self) -> AdapterConfig:
        return self.adapter.config

    def encode_regions(self, identity: Identity) -> tuple[dict[str, Tensor], Tensor]:
        """Region tokens {key: [D]} and the token of zero pixels [D]."""
        check_adapter(identity, self.config, self.adapter.source)
        kept = self._region_tokens.get(identity.photo_features)
        if kept is not None and kept[0] is identity.region_features:
            return kept[1]
        known = PlacedAdapter(self.adapter, load_to_device(self.facial)).encode_regions(identity)
        self._region_tokens[identity.photo_features] = (identity.region_features, known)
        return known

    def fuse(self, text: Tensor, region_tokens: Tensor, positions: Tensor, strengths: Tensor | None = None) -> Tensor:
        """Facial tokens put into a text embedding [1, T, D] (see FacialEncoder); a new tensor on the same device."""
        if len(positions) and int(positions.max()) >= text.shape[1]:
            raise CaptionError(
                "The two text encoders of this CLIP give texts of different lengths, and the facial description lies "
                "beyond the shorter one. Remove the textual inversion embeddings from the prompt."
            )
        placed = PlacedAdapter(self.adapter, load_to_device(self.facial))
        return placed.fuse(text, region_tokens, positions, strengths)

    def project_identity(self, identity: Identity) -> Pair:
        """ID tokens [4, D] of the person and of nobody."""
        if identity not in self._id_tokens:
            placed = PlacedAdapter(self.adapter, load_to_device(self.identity))
            self._id_tokens[identity] = placed.project_identity(identity)
        return self._id_tokens[identity]

    def project_keys(self, identity: Identity, avoid: Identity | None = None) -> list[tuple[Tensor, Tensor]]:
        """ID keys and values of every site, each [2, 4, C] in the order of a Pair, with `avoid` in place of nobody."""
        pair = self.project_identity(identity)
        if avoid is not None:
            pair = pair._replace(nobody=self.project_identity(avoid).person)
        stacked = torch.stack(pair).to(load_to_device(self.identity))
        pairs = (layer(stacked) for layer in self.adapter.id_layers)
        return [(key.cpu(), value.cpu()) for key, value in pairs]
