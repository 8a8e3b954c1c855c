"""A second pass over the faces of a finished picture."""

from comfy_api.latest import io
from torch import Tensor

from ..consistentid.errors import ConsistentIDError
from ..consistentid.face.detail import Placement, crop_head, paste_head, place_head
from ..consistentid.face.face import Face, check_same_photo
from ..consistentid.finite import require_finite
from ..consistentid.plural import count
from .boundary import sockets
from .boundary.layout import read_photo, split_batches


class CropHead(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_CropHead",
            display_name="Crop Head",
            category=sockets.AFTERWARDS,
            description="Cuts a head out of a picture, enlarged, so that it can be sampled again with the identity.",
            **sockets.list_aliases("face detailer", "crop face", "面部修复", "裁剪人脸"),
            inputs=[
                io.Image.Input("image", tooltip="The picture; one"),
                sockets.Face.Input("face", tooltip="From Detect Face. No face: the picture will stay as it is"),
                io.Float.Input(
                    "extra",
                    default=0.4,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Higher: more hair and background are drawn again, the face smaller; lower: the face alone",
                ),
                io.Int.Input(
                    "side_px",
                    default=768,
                    min=256,
                    max=2048,
                    step=8,
                    tooltip="Larger: finer detail, slower. 512 to 768 suits SD1.5, 1024 SDXL",
                ),
            ],
            outputs=[
                io.Image.Output("crop", display_name="crop", tooltip="The head, enlarged"),
                sockets.Placement.Output("placement", display_name="placement", tooltip="For Paste Head"),
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, face: Face | None, extra: float, side_px: int) -> io.NodeOutput:
        if image.shape[0] != 1:
            raise ConsistentIDError(
                f"Crop Head takes one picture, but got a batch of {image.shape[0]}. Connect 'photo' of 'Detect Face', "
                "which gives them one by one with their faces."
            )
        require_finite(extra=extra)
        check_same_photo(face, read_photo(image))
        picture = image[0]
        placement = Placement(picture, None) if face is None else place_head(picture, face.box, extra)
        return io.NodeOutput(crop_head(placement, side_px)[None], placement)


class PasteHead(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_PasteHead",
            display_name="Paste Head",
            category=sockets.AFTERWARDS,
            description="Puts heads back where Crop Head took them, with soft edges; several heads of a picture too.",
            **sockets.list_aliases("face detailer", "paste face", "uncrop", "面部修复", "贴回人脸"),
            is_input_list=True,
            inputs=[
                io.Image.Input("crop", tooltip="The head after its second pass, of any size"),
                sockets.Placement.Input("placement", tooltip="From Crop Head"),
                io.Float.Input(
                    "feather",
                    default=0.15,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Higher: a softer seam, but less of the new head at its edge; 0: a hard edge",
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[io.Image.Output("image", display_name="image", is_output_list=True, tooltip="The whole picture")],
        )

    @classmethod
    def execute(cls, crop: list[Tensor], placement: list[Placement], feather: list[float]) -> io.NodeOutput:
        require_finite(feather=feather[0])
        crops = split_batches(crop)
        if len(crops) != len(placement):
            raise ConsistentIDError(
                f"{count(len(crops), 'crop')} came back for {count(len(placement), 'place')}. Each crop of 'Crop Head' "
                "must stay one."
            )
        pasted: dict[int, Tensor] = {}
        for image, place in zip(crops, placement, strict=True):
            origin = place.picture.data_ptr()
            pasted[origin] = paste_head(pasted.get(origin, place.picture), image[0], place, feather[0])
        return io.NodeOutput([picture[None] for picture in pasted.values()])
