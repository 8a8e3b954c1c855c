"""Settings that belong together, to wire into several nodes."""

from dataclasses import astuple

from comfy_api.latest import io

from ..consistentid.presets import PRESETS
from .boundary import sockets


class SelectPreset(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_Preset",
            display_name="ConsistentID Preset",
            category=sockets.SAMPLING,
            description="Weights and merge point for a close likeness, as published, or for freedom of the prompt.",
            **sockets.list_aliases("likeness", "settings", "相似度", "预设"),
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="balanced",
                    tooltip=(
                        "likeness: more of the person; editable: more of the prompt; balanced: as published. "
                        "The others are starting points"
                    ),
                )
            ],
            outputs=[
                io.Float.Output("weight", display_name="weight", tooltip="For Apply ConsistentID"),
                io.Float.Output("lora_weight", display_name="lora_weight", tooltip="For Apply ConsistentID"),
                io.Float.Output("merge_at", display_name="merge_at", tooltip="For Inject Facial Tokens"),
            ],
        )

    @classmethod
    def execute(cls, preset: str) -> io.NodeOutput:
        return io.NodeOutput(*astuple(PRESETS[preset]))
