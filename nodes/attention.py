"""Where in a picture the facial tokens acted: recorded while a MODEL draws, then shown over what it drew."""

import numpy as np
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..consistentid.attention_sheet import STEPS, draw_attention_sheet
from ..consistentid.errors import ConsistentIDError, IncompatibleModelError
from ..consistentid.plural import count
from .boundary import sockets
from .boundary.layout import make_preview, read_photo
from .model.attention_watch import AttentionWatch, watch_attention
from .model.patching import detect_base

MOST_PX = 16384  # a batch of pictures makes a long sheet


class WatchAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_WatchAttention",
            display_name="Watch Facial Attention",
            category=sockets.AFTERWARDS,
            description=(
                "Makes a MODEL note, while it draws, how much each part of the picture looks at the facial tokens. "
                "Stands before the sampler; Show Facial Attention makes a picture of it. What is drawn stays the same."
            ),
            **sockets.list_aliases("attention map", "heat map", "daam", "注意力", "热图"),
            inputs=[io.Model.Input("model", tooltip="With ConsistentID applied")],
            outputs=[
                io.Model.Output("watched_model", display_name="model", tooltip="For any sampler"),
                sockets.Attention.Output("attention", display_name="attention", tooltip="For Show Facial Attention"),
            ],
        )

    @classmethod
    def execute(cls, model: ModelPatcher) -> io.NodeOutput:
        config = detect_base(model)
        if config is None:
            raise IncompatibleModelError(
                f"ConsistentID does not know MODEL, a {type(model.model).__name__}, so nothing in it can be watched. "
                "Connect the model of 'Apply ConsistentID'."
            )
        return io.NodeOutput(*watch_attention(model, config))


class ShowAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ShowAttention",
            display_name="Show Facial Attention",
            category=sockets.AFTERWARDS,
            description=(
                "Where in the picture the facial tokens of each region acted, as heat over the picture: the mean of "
                "all steps, and single ones."
            ),
            **sockets.list_aliases("attention map", "heat map", "daam", "注意力", "热图"),
            inputs=[
                sockets.Attention.Input("attention", tooltip="From Watch Facial Attention"),
                io.Latent.Input("latent", tooltip="From the sampler that draws with the watched model"),
                io.Image.Input("images", tooltip="The same latent, decoded"),
                io.Int.Input(
                    "steps",
                    default=STEPS,
                    min=0,
                    max=20,
                    tooltip="More: more rows, to see when each part of the face forms; 0: the mean alone",
                ),
            ],
            outputs=[
                io.Image.Output("sheet", display_name="sheet", tooltip="A column for each region, a row for each step")
            ],
        )

    @classmethod
    def execute(cls, attention: AttentionWatch, latent: dict, images: Tensor, steps: int) -> io.NodeOutput:
        maps = attention.find(latent["samples"])
        if len(maps) != len(images):
            raise ConsistentIDError(
                f"The latent holds {count(len(maps), 'picture')}, but images has {len(images)}. Connect that latent, "
                "decoded."
            )
        pictures = [Image.fromarray(read_photo(image)) for image in images.split(1)]
        return io.NodeOutput(make_preview(np.asarray(draw_attention_sheet(pictures, maps, steps)), side_px=MOST_PX))
