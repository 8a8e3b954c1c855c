"""Loading the adapter, applying it to a MODEL, and when and where it acts."""

from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io
from torch import Tensor

from ..consistentid.adapter.schedule import EASINGS, Schedule
from ..consistentid.identity import Identity
from .boundary import sockets
from .model.hosting import HostedAdapter
from .model.patching import apply_adapter
from .people import Person, list_people
from .server import folders


class LoadAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadAdapter",
            display_name="Load ConsistentID Adapter",
            category=sockets.LOADERS,
            description="Loads the ConsistentID weights; whether they are for SD1.5 or SDXL is read from the file.",
            **sockets.list_aliases("ip adapter", "faceid", "identity model", "适配器", "人脸"),
            inputs=[
                io.Combo.Input(
                    "adapter_name",
                    options=folders.list_files("adapter_sd15", "adapter_sdxl"),
                    tooltip="Has to fit the checkpoint: one for SD1.5, another for SDXL. Files in models/consistentid",
                )
            ],
            outputs=[
                sockets.Adapter.Output(
                    "adapter", display_name="adapter", tooltip="For Inject Facial Tokens and Apply ConsistentID"
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, adapter_name) -> bool | str:
        return folders.check(folders.find_file, adapter_name, "adapter_sd15")

    @classmethod
    def fingerprint_inputs(cls, adapter_name) -> str:
        return folders.fingerprint(folders.find_file, adapter_name, "adapter_sd15")

    @classmethod
    def execute(cls, adapter_name: str) -> io.NodeOutput:
        return io.NodeOutput(HostedAdapter.load(folders.find_file(adapter_name, "adapter_sd15")))


def list_strength_inputs() -> list:
    return [
        io.Float.Input(
            "weight",
            default=1.0,
            min=0.0,
            max=3.0,
            step=0.05,
            tooltip=(
                "Higher: more like the person, but pose and style get stiff. Lower it when the picture ignores "
                "the prompt"
            ),
        ),
        io.Float.Input(
            "lora_weight",
            default=1.0,
            min=0.0,
            max=2.0,
            step=0.05,
            tooltip=(
                "Lower: the checkpoint's own style comes through more, with less likeness. 1 as trained. A "
                "model gets them once"
            ),
        ),
    ]


class ApplyAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ApplyAdapter",
            display_name="Apply ConsistentID",
            category=sockets.SAMPLING,
            description="Makes a MODEL draw this person. Works with any sampler; other patches of the model are kept.",
            **sockets.list_aliases(
                "faceid",
                "ip adapter",
                "instantid",
                "pulid",
                "photomaker",
                "face swap",
                "same person",
                "人脸",
                "换脸",
                "人物一致性",
            ),
            inputs=[
                io.Model.Input(
                    "model", tooltip="Gives the style of the picture. SD1.5 for an SD1.5 adapter, SDXL for an SDXL one"
                ),
                sockets.Adapter.Input("adapter", tooltip="From Load ConsistentID Adapter"),
                io.MultiType.Input(
                    "identity",
                    [sockets.Identity, sockets.People],
                    tooltip="One identity, or several people from Add Person",
                ),
                *list_strength_inputs(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where ID tokens act; Add Person masks a person's words too, Hook ConsistentID everything",
                ),
                sockets.Schedule.Input(
                    "schedule",
                    optional=True,
                    tooltip="Lets the prompt decide some steps or layers alone. Left open: the person acts in all",
                ),
                sockets.Identity.Input("avoid", optional=True, tooltip="A person the picture shall not look like"),
            ],
            outputs=[io.Model.Output("patched_model", display_name="model", tooltip="For any sampler")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        adapter: HostedAdapter,
        identity: Identity | tuple[Person, ...],
        weight: float,
        lora_weight: float,
        mask: Tensor | None = None,
        schedule: Schedule | None = None,
        avoid: Identity | None = None,
    ) -> io.NodeOutput:
        people = list_people(identity, mask)
        return io.NodeOutput(apply_adapter(model, adapter, people, weight, lora_weight, schedule, avoid))


class ScheduleWeight(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        def factor(id, tooltip):
            return io.Float.Input(id, default=1.0, min=0.0, max=3.0, step=0.05, tooltip=tooltip)

        return io.Schema(
            node_id="ConsistentID_ScheduleWeight",
            display_name="Schedule ConsistentID",
            category=sockets.SAMPLING,
            description="When, and in which layers, the ID tokens act: factors of the weight.",
            **sockets.list_aliases("start end", "weight type", "layer weights", "权重调度"),
            inputs=[
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Later: pose and scene come from the prompt first, with less likeness. 0 is the first step",
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Earlier: the last details come from the prompt and the checkpoint. 1 is the last step",
                ),
                io.Combo.Input(
                    "easing",
                    options=list(EASINGS),
                    default="constant",
                    tooltip=(
                        "Where the person acts most between start and end: rising leaves the layout to the "
                        "prompt, falling the details"
                    ),
                ),
                factor(
                    "composition", "The coarsest layers. Lower it when the pose or the framing of the prompt is lost"
                ),
                factor("structure", "The middle layers. Higher: more of the head's shape; lower: more of the prompt"),
                factor("detail", "The finest layers. Lower it when skin and lines take over the look of the photo"),
            ],
            outputs=[sockets.Schedule.Output("schedule", display_name="schedule", tooltip="For Apply ConsistentID")],
        )

    @classmethod
    def execute(cls, **fields: Any) -> io.NodeOutput:
        return io.NodeOutput(Schedule(**fields))
