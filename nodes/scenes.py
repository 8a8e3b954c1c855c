"""Many prompts in one run."""

from comfy_api.latest import io

from ..consistentid.prompt.scenes import list_scenes
from .boundary import sockets


class ListScenes(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ListScenes",
            display_name="List Scenes",
            category=sockets.SAMPLING,
            description="Gives the prompts of a text one after another, so that one run draws a picture of each.",
            **sockets.list_aliases("prompt list", "batch prompts", "multiple prompts", "lines", "多个提示词", "批量"),
            inputs=[
                io.String.Input(
                    "scenes", multiline=True, default="", tooltip="A line is a picture. Empty lines are left out"
                ),
                io.String.Input(
                    "style",
                    optional=True,
                    default="",
                    tooltip="Goes behind every line: words that make all pictures look of one kind",
                ),
            ],
            outputs=[
                io.String.Output(
                    "prompt", display_name="prompt", is_output_list=True, tooltip="For Inject Facial Tokens"
                )
            ],
        )

    @classmethod
    def execute(cls, scenes: str, style: str = "") -> io.NodeOutput:
        return io.NodeOutput(list_scenes(scenes, style))
