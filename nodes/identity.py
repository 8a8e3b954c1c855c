"""Encoding a person, and identities as files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import numpy as np
from comfy.clip_vision import ClipVisionModel
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.config import CONFIGS, SD15
from ..consistentid.errors import IncompatibleModelError
from ..consistentid.face.face import Face
from ..consistentid.face.regions import CLIP_SIZE_PX, Regions
from ..consistentid.face.thumbnail import THUMBNAIL_PX
from ..consistentid.identity import Identity
from ..consistentid.identity.encode import encode_identity
from ..consistentid.identity.file import load_identity, save_new_identity
from .boundary import sockets
from .boundary.layout import make_preview
from .server import folders


class EncodeIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_EncodeIdentity",
            display_name="Encode Identity",
            category=sockets.IDENTITY,
            description="Everything that is known of a person in one socket: ID embedding, photo, regions, caption.",
            **sockets.list_aliases("faceid", "same person", "character", "face embeds", "人脸", "人物一致性"),
            inputs=[
                io.ClipVision.Input(
                    "clip_vision",
                    tooltip="CLIP ViT-H/14 (laion2B), with which the adapter was trained; another is refused",
                ),
                sockets.Regions.Input("regions", tooltip="From Parse Face or Edit Regions; the photo is in them"),
                sockets.Face.Input(
                    "face",
                    optional=True,
                    tooltip="Brings the ID embedding. Left open: none, and less likeness",
                ),
                io.String.Input(
                    "caption",
                    optional=True,
                    force_input=True,
                    tooltip="Words of the face, which the picture then follows too. Left open: the fixed sentence",
                ),
            ],
            outputs=[
                sockets.Identity.Output(
                    "identity",
                    display_name="identity",
                    tooltip="For Inject Facial Tokens, Apply ConsistentID and Save Identity",
                )
            ],
        )

    @classmethod
    def execute(
        cls, clip_vision: ClipVisionModel, regions: Regions, face: Face | None = None, caption: str = ""
    ) -> io.NodeOutput:
        return io.NodeOutput(encode_identity(regions, face, HostedClipVision(clip_vision), caption))


class SaveIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_SaveIdentity",
            display_name="Save Identity",
            category=sockets.IDENTITY,
            description="Saves an identity to models/consistentid/identities, for use without the photo.",
            **sockets.list_aliases("save face model", "save embeds", "保存人脸"),
            inputs=[
                sockets.Identity.Input("identity", tooltip="The person to save"),
                io.String.Input("name", default="person", tooltip="File name without folder; an existing file is kept"),
            ],
            outputs=[io.String.Output("path", display_name="path", tooltip="Where it was saved")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, identity: Identity, name: str) -> io.NodeOutput:
        folder = Path(folder_paths.get_folder_paths(folders.IDENTITIES)[0])
        folder.mkdir(parents=True, exist_ok=True)
        path = save_new_identity(identity, folder, name)
        return io.NodeOutput(str(path), ui={"text": [f"Saved {path.name}"]})


class LoadIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadIdentity",
            display_name="Load Identity",
            category=sockets.IDENTITY,
            description="Loads a saved identity, and shows whose it is.",
            **sockets.list_aliases("load face model", "load embeds", "same person", "加载人脸"),
            inputs=[
                io.Combo.Input(
                    "name",
                    options=folder_paths.get_filename_list(folders.IDENTITIES),
                    tooltip="Whom to draw: a file in models/consistentid/identities",
                )
            ],
            outputs=[
                sockets.Identity.Output(
                    "identity", display_name="identity", tooltip="For Inject Facial Tokens and Apply ConsistentID"
                ),
                io.Image.Output("thumbnail", display_name="thumbnail", tooltip="The head in the photo"),
                io.String.Output("about", display_name="about", tooltip="Photos, regions, caption, what made it"),
            ],
        )

    @classmethod
    def validate_inputs(cls, name) -> bool | str:
        if name is not None and folders.find_path(folders.IDENTITIES, name) is None:
            return f"Identity '{name}' was not found. Save one with 'Save Identity' first, then press R."
        return True

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        identity = load_identity(folders.find_path(folders.IDENTITIES, name) or name)
        unknown = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
        thumbnail = make_preview(unknown if identity.thumbnail is None else identity.thumbnail)
        return io.NodeOutput(identity, thumbnail, identity.describe())

    @classmethod
    def fingerprint_inputs(cls, name) -> str:
        path = None if name is None else folders.find_path(folders.IDENTITIES, name)
        return "" if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class HostedClipVision:
    """An ImageEncoder whose weights the host loads when photos are encoded. network: a CLIP_VISION."""

    network: Any

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        if getattr(self.network, "image_size", CLIP_SIZE_PX) != CLIP_SIZE_PX:
            raise _wrong_encoder(f"takes images of {self.network.image_size} px")
        comfy.model_management.load_models_gpu([self.network.patcher])
        batch = pixels.to(self.network.load_device)
        features = self.network.model(pixel_values=batch, intermediate_output=-2)[1].float()
        if tuple(features.shape[1:]) not in {config.sizes.image_shape for config in CONFIGS}:
            raise _wrong_encoder(f"gives features of shape {list(features.shape[1:])}")
        return features


def _wrong_encoder(found: str) -> IncompatibleModelError:
    return IncompatibleModelError(
        f"This CLIP_VISION {found}; ConsistentID needs CLIP ViT-H/14, which takes {CLIP_SIZE_PX} px and gives "
        f"{list(SD15.sizes.image_shape)}. Load {SD15.image_encoder}."
    )
