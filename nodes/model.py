"""Loading the adapter and applying it to a MODEL."""

from comfy_api.latest import io

from . import folders, sockets
from .hosting import HostedAdapter
from .patching import apply_adapter


class LoadAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadAdapter",
            display_name="Load ConsistentID Adapter",
            category=sockets.CATEGORY,
            description="Loads the ConsistentID weights; whether they are for SD1.5 or SDXL is read from the file.",
            inputs=[
                io.Combo.Input(
                    "adapter_name",
                    options=folders.list_files("adapter_sd15", "adapter_sdxl"),
                    tooltip="A file in models/consistentid",
                )
            ],
            outputs=[sockets.Adapter.Output("adapter", display_name="adapter")],
        )

    @classmethod
    def validate_inputs(cls, adapter_name) -> bool | str:
        return folders.check(folders.find_file, adapter_name, "adapter_sd15")

    @classmethod
    def execute(cls, adapter_name) -> io.NodeOutput:
        return io.NodeOutput(HostedAdapter.load(folders.find_file(adapter_name, "adapter_sd15")))


class ApplyAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ApplyAdapter",
            display_name="Apply ConsistentID",
            category=sockets.CATEGORY,
            description="Makes a MODEL draw this person. Works with any sampler; other patches of the model are kept.",
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5 model for an SD1.5 adapter, an SDXL model for an SDXL one"),
                sockets.Adapter.Input("adapter"),
                sockets.Identity.Input("identity"),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="How strongly the ID tokens act. Lower it when the picture ignores the prompt",
                ),
                io.Float.Input(
                    "lora_weight",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="Strength of the adapter's low-rank weights. 1 as trained",
                ),
            ],
            outputs=[io.Model.Output("patched_model", display_name="model")],
        )

    @classmethod
    def execute(cls, model, adapter, identity, weight, lora_weight) -> io.NodeOutput:
        return io.NodeOutput(apply_adapter(model, adapter, identity, weight, lora_weight))
