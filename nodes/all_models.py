"""Every model of a portrait from one choice, and what depends on the kind of base model."""

from pathlib import Path

import comfy.clip_vision
import comfy.sd
import folder_paths
from comfy_api.latest import io

from ..consistentid.adapter.config import RELEASED, AdapterConfig
from ..consistentid.errors import IncompatibleModelError
from ..consistentid.face.package import load_face_analysis
from ..consistentid.face.parsing import load_face_parser
from ..consistentid.model_files.manifest import read_manifest
from .boundary import sockets
from .model.hosting import HostedAdapter, make_patcher
from .model.patching import detect_base
from .server import folders
from .zoo import LoadZoo

SMALL = "small models (drawn faces)"
SHAPES = ("upright", "square", "wide")
CHECKPOINT = "checkpoint_sd15"
FACE_MODELS = ("clip_vision", "face_analysis", "face_parser")


class LoadModels(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_LoadModels",
            display_name="Load All Models",
            category=sockets.LOADERS,
            description=(
                "Everything a portrait needs, from one choice. The adapter, side_px, size and cfg follow from whether "
                "the checkpoint is SD1.5 or SDXL."
            ),
            **sockets.list_aliases("checkpoint", "loader", "all in one", "faceid", "全部模型", "加载"),
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=[*folder_paths.get_filename_list("checkpoints"), SMALL],
                    tooltip=(
                        "The style of the picture. SDXL is larger and slower than SD1.5; the small models need no "
                        "download, but draw toy faces of 128 px"
                    ),
                ),
                io.Combo.Input(
                    "shape",
                    options=list(SHAPES),
                    default=SHAPES[0],
                    tooltip="Upright suits one person, wide two side by side. The size is the one the checkpoint knows",
                ),
            ],
            outputs=[
                *sockets.list_model_outputs(),
                sockets.Choice.Output("side_px", display_name="side_px", tooltip="For Parse Face"),
                io.Int.Output("width", display_name="width", tooltip="For Empty Latent Image"),
                io.Int.Output("height", display_name="height", tooltip="For Empty Latent Image"),
                io.Float.Output("cfg", display_name="cfg", tooltip="For a sampler"),
            ],
        )

    @classmethod
    def validate_inputs(cls, checkpoint) -> bool | str:
        if checkpoint in (None, SMALL):
            return True
        checks = [folders.check(folders.find_file, checkpoint, CHECKPOINT)]
        checks += [folders.check(find_known, id) for id in FACE_MODELS]
        return next((check for check in checks if check is not True), True)

    @classmethod
    def fingerprint_inputs(cls, checkpoint, shape=SHAPES[0]) -> str:
        if checkpoint == SMALL:
            return LoadZoo.fingerprint_inputs()
        return folders.fingerprint(folders.find_file, checkpoint, CHECKPOINT)

    @classmethod
    def execute(cls, checkpoint: str, shape: str) -> io.NodeOutput:
        models = LoadZoo.execute().args if checkpoint == SMALL else load_files(checkpoint)
        config = models[4].config
        return io.NodeOutput(*models, str(config.parsing_px), *choose_size(config, shape), config.guidance)


def load_files(checkpoint: str) -> tuple:
    """MODEL, CLIP, VAE, CLIP vision, adapter, face analysis and face parser, as LoadZoo gives them."""
    path = folders.find_file(checkpoint, CHECKPOINT)
    embeddings = folder_paths.get_folder_paths("embeddings")
    model, clip, vae = comfy.sd.load_checkpoint_guess_config(path, embedding_directory=embeddings)[:3]
    base = detect_base(model) if model else None
    if base not in RELEASED or clip is None:
        titles = " or ".join(config.title for config in RELEASED)
        raise IncompatibleModelError(
            f"{Path(path).name} is no whole checkpoint of {titles}, which ConsistentID needs: choose one that is. "
            "UNet and CLIP in files of their own take a loader for each."
        )
    adapter, clip_vision, package, parser = map(find_known, (f"adapter_{base.name}", *FACE_MODELS))
    return (
        model,
        clip,
        vae,
        comfy.clip_vision.load(clip_vision),
        HostedAdapter.load(adapter),
        load_face_analysis(Path(package), "auto"),
        make_patcher(load_face_parser(parser)),
    )


def find_known(id: str) -> str:
    """Full path of a model of the manifest, under any of its names."""
    model = read_manifest()[id]
    return str(folders.find_folder(model.name, id) if model.is_folder else folders.find_file(model.name, id))


def choose_size(config: AdapterConfig, shape: str) -> tuple[int, int]:
    """Width and height in pixels of about as many as the base model usually draws, in multiples of 64."""
    width, height = config.size_px
    if shape == "square":
        width = height = round((width * height) ** 0.5 / 64) * 64
    elif shape == "wide":
        width, height = (height, width) if height > width else (2 * width, height)
    return width, height
