"""Several people in one picture: who is where."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.masks import AttentionMask
from ..consistentid.face.detail import mask_head
from ..consistentid.face.face import Face, check_same_photo
from ..consistentid.finite import require_finite
from ..consistentid.identity import Identity
from ..consistentid.identity import people as core
from ..consistentid.identity.people import Person
from .boundary import sockets
from .boundary.layout import read_photo


def list_people(identity: Identity | tuple[Person, ...], mask=None) -> tuple[Person, ...]:
    """The people behind a socket that takes an identity or several people."""
    return core.list_people(identity, None if mask is None else AttentionMask(mask))


class MaskHead(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_MaskHead",
            display_name="Mask Head",
            category=sockets.SAMPLING,
            description="A soft mask around a detected face: where a person is, for Add Person or for inpainting.",
            **sockets.list_aliases("face mask", "head mask", "人脸遮罩"),
            inputs=[
                io.Image.Input("image", tooltip="The picture the face was detected in; gives the mask its size"),
                sockets.Face.Input("face", tooltip="From Detect Face. No face: an empty mask"),
                io.Float.Input(
                    "scale",
                    default=2.0,
                    min=0.5,
                    max=10.0,
                    step=0.1,
                    tooltip="Larger: more around the face is masked. 2 holds the head, 4 the shoulders too",
                ),
                io.Float.Input(
                    "feather",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Higher: softer edges, so that the new part blends in; 0: a hard edge",
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[io.Mask.Output("mask", display_name="mask", tooltip="White around the face")],
        )

    @classmethod
    def execute(cls, image: Tensor, face: Face | None, scale: float, feather: float) -> io.NodeOutput:
        require_finite(scale=scale, feather=feather)
        if face is None:
            return io.NodeOutput(torch.zeros(1, *image.shape[1:3]))
        check_same_photo(face, read_photo(image))
        return io.NodeOutput(mask_head(image[0], face.box, scale, feather)[None])


class AddPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_AddPerson",
            display_name="Add Person",
            category=sockets.SAMPLING,
            description=(
                "Puts a person into one part of the picture. Chain one node for each person, then connect 'people' "
                "where an identity goes. In the prompt, <A> stands before what is said of the first, <B> of the second."
            ),
            **sockets.list_aliases("two people", "several people", "couple", "regional", "多人"),
            inputs=[
                sockets.Identity.Input("identity", tooltip="The person at this place"),
                io.Mask.Input("mask", tooltip="Where this person is: white. Any resolution, soft edges are kept"),
                sockets.People.Input("people", optional=True, tooltip="The people before this one"),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="Higher: more of this person's face; lower: more of the prompt. Times the weight of Apply",
                ),
            ],
            outputs=[sockets.People.Output("all_people", display_name="people", tooltip="Everybody so far")],
        )

    @classmethod
    def execute(cls, identity: Identity, mask: Tensor, weight: float, people: tuple[Person, ...] = ()) -> io.NodeOutput:
        require_finite(weight=weight)
        return io.NodeOutput((*people, Person(identity, AttentionMask(mask), weight)))
