"""The small models that come with this pack, and drawn people to try them on."""

from comfy_api.latest import io

from ..consistentid.adapter.config import ZOO
from ..consistentid.face.package import load_face_analysis
from ..consistentid.face.parsing import load_face_parser
from ..consistentid.model_files.small_models import find_zoo
from ..zoo import EXAMPLE_SCENES
from .boundary import sockets
from .boundary.layout import make_preview
from .model.hosting import HostedAdapter, make_patcher
from .model.small_model import load_clip, load_clip_vision, load_unet, load_vae
from .server import folders

MAX_SEED = 9999


class LoadZoo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadZoo",
            display_name="Load Small Models (Drawn Faces)",
            category=sockets.LOADERS,
            description=(
                "Everything a portrait needs, small enough to come with this pack: no download, no GPU. These models "
                f"know drawn people only, at {ZOO.size_px[0]} px."
            ),
            **sockets.list_aliases("demo", "example", "try", "test model", "zoo", "演示", "小模型"),
            inputs=[],
            outputs=sockets.list_model_outputs(),
        )

    @classmethod
    def fingerprint_inputs(cls) -> str:
        return folders.describe_files(*find_zoo().values())

    @classmethod
    def execute(cls) -> io.NodeOutput:
        files = find_zoo()
        base = files["checkpoint"]
        return io.NodeOutput(
            load_unet(base),
            load_clip(base / "text_encoder", base / "tokenizer"),
            load_vae(base / "vae"),
            load_clip_vision(files["clip_vision"]),
            HostedAdapter.load(str(files["adapter"])),
            load_face_analysis(files["face_package"], "CPU"),
            make_patcher(load_face_parser(files["face_parser"])),
        )


class DrawPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_DrawPerson",
            display_name="Draw Person",
            category=sockets.PHOTO,
            description="Draws a person that does not exist: a reference photo for the small models.",
            **sockets.list_aliases("demo", "example face", "test face", "cartoon", "画人"),
            inputs=[
                io.Int.Input(
                    "person",
                    default=3,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=True,
                    tooltip=(
                        "Another number draws another person. None of them was among those that the small "
                        "models learnt from"
                    ),
                ),
                io.Int.Input(
                    "scene",
                    default=0,
                    min=0,
                    max=EXAMPLE_SCENES - 1,
                    tooltip="The same person in other clothes, elsewhere",
                ),
                io.Int.Input(
                    "side_px",
                    default=256,
                    min=128,
                    max=1024,
                    step=64,
                    tooltip="Larger: a sharper drawing, of the same person",
                    **sockets.ADVANCED,
                ),
            ],
            outputs=[
                io.Image.Output("image", display_name="image", tooltip="For Detect Face"),
                io.String.Output("caption", display_name="caption", tooltip="The face in words, for Encode Identity"),
                io.String.Output("prompt", display_name="prompt", tooltip="What else the picture shows"),
            ],
        )

    @classmethod
    def execute(cls, person: int, scene: int, side_px: int) -> io.NodeOutput:
        from ..zoo.drawn_faces import draw_example  # 41 files that a start does without

        example = draw_example(person, scene, side_px)
        return io.NodeOutput(make_preview(example.image), example.caption, example.prompt)
