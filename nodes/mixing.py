"""Identities of several photos, between two people, and with regions of other strengths."""

from collections.abc import Sequence

from comfy_api.latest import io

from ..consistentid.errors import ConsistentIDError
from ..consistentid.identity import Identity
from ..consistentid.identity.combination import METHODS, OUTLIER_BELOW, combine_identities
from ..consistentid.identity.mixing import CHOICES, adjust_regions, mix_identities
from ..consistentid.identity.person import HIGHEST_STRENGTH
from ..consistentid.prompt.mark import WORDS
from .boundary import sockets


class CombineIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_CombineIdentities",
            display_name="Combine Identities",
            category=sockets.IDENTITY,
            description="Several photos of one person as one identity; photos of somebody else are left out.",
            **sockets.list_aliases("average faces", "several photos", "merge faces", "多张照片"),
            inputs=[
                sockets.Identity.Input("identity_1", tooltip="One identity, or a list: one for each photo"),
                *(
                    sockets.Identity.Input(
                        f"identity_{number}", optional=True, tooltip="More identities, or lists of them"
                    )
                    for number in (2, 3, 4)
                ),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    tooltip=(
                        "Quality is detection score and sharpness. mean is nearer to the person than best, which takes "
                        "one photo alone"
                    ),
                ),
                io.String.Input(
                    "weights",
                    default="",
                    tooltip=(
                        "A photo with a higher weight shapes the person more, such as 1, 1, 0.5. Left empty: "
                        "those of the method"
                    ),
                    **sockets.ADVANCED,
                ),
                io.Float.Input(
                    "outlier_below",
                    default=OUTLIER_BELOW,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip=(
                        "Higher: more photos are left out as another person's; lower: fewer. Of three or more "
                        "photos, by cosine; -1: none"
                    ),
                    **sockets.ADVANCED,
                ),
                io.String.Input(
                    "caption", optional=True, force_input=True, tooltip="Left open: that of the best photo"
                ),
            ],
            outputs=[
                sockets.Identity.Output("identity", display_name="identity", tooltip="The person of all photos"),
                io.String.Output("report", display_name="report", tooltip="Weight of each photo; which were left out"),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(
        cls,
        identity_1: list[Identity],
        method: list[str],
        weights: list[str],
        outlier_below: list[float],
        identity_2: Sequence[Identity] = (),
        identity_3: Sequence[Identity] = (),
        identity_4: Sequence[Identity] = (),
        caption: Sequence[str] = ("",),
    ) -> io.NodeOutput:
        identities = [*identity_1, *identity_2, *identity_3, *identity_4]
        if len(caption) > 1:
            raise ConsistentIDError(
                f"'caption' got {len(caption)} texts for one person. Connect them to 'Encode Identity', or connect one."
            )
        return io.NodeOutput(
            *combine_identities(identities, method[0], read_weights(weights[0]), outlier_below[0], caption[0])
        )


class MixIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_MixIdentities",
            display_name="Mix Identities",
            category=sockets.IDENTITY,
            description="A person between two others; single regions can come from one of them, such as the eyes of A.",
            **sockets.list_aliases("blend faces", "morph", "interpolate", "融合人脸"),
            inputs=[
                sockets.Identity.Input("identity_a", tooltip="Person A, who is drawn at an amount of 0"),
                sockets.Identity.Input("identity_b", tooltip="Person B, who is drawn at an amount of 1"),
                io.Float.Input(
                    "amount",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Lower: more like A; higher: more like B. 0 is A, 1 is B",
                ),
                *(
                    io.Combo.Input(
                        word,
                        options=list(CHOICES),
                        tooltip="mixed: between the two, by amount; A or B: this part looks like that person's",
                    )
                    for word in WORDS
                ),
            ],
            outputs=[
                sockets.Identity.Output(
                    "identity", display_name="identity", tooltip="The mixture; the nearer one's caption"
                ),
                io.String.Output("report", display_name="report", tooltip="Shares, and what only one of the two has"),
            ],
        )

    @classmethod
    def execute(cls, identity_a: Identity, identity_b: Identity, amount: float, **choices: str) -> io.NodeOutput:
        return io.NodeOutput(*mix_identities(identity_a, identity_b, amount, choices))


class AdjustRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_AdjustRegions",
            display_name="Adjust Regions",
            category=sockets.IDENTITY,
            description="How strongly each facial region shows the person.",
            **sockets.list_aliases("region strength", "eyes", "nose", "mouth", "五官强度"),
            inputs=[
                sockets.Identity.Input("identity", tooltip="From Encode Identity, Load Identity or a node that mixes"),
                *(
                    io.Float.Input(
                        word,
                        default=1.0,
                        min=0.0,
                        max=HIGHEST_STRENGTH,
                        step=0.05,
                        display_mode=io.NumberDisplay.slider,
                        tooltip=(
                            "Lower: this part follows the prompt more than the photo, at 0 the prompt alone. 1:"
                            " as trained. Higher: more of the photo, and sooner stiff"
                        ),
                    )
                    for word in WORDS
                ),
            ],
            outputs=[
                sockets.Identity.Output(
                    "adjusted", display_name="identity", tooltip="The same person with these strengths"
                )
            ],
        )

    @classmethod
    def execute(cls, identity: Identity, **strengths: float) -> io.NodeOutput:
        return io.NodeOutput(adjust_regions(identity, strengths))


def read_weights(text: str) -> list[float] | None:
    """Numbers separated by commas; None for an empty text."""
    if not text.strip():
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError as error:
        raise ConsistentIDError(
            f"'{text}' is not a list of weights. Write one number per identity: 1, 1, 0.5"
        ) from error
