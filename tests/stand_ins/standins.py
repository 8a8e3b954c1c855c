"""Small or random-weight model files in the real formats, for running the pack without the real models.

Every tensor is seeded by its own key, so a file is the same on every machine that shares a torch version.
Pictures made with these files are noise: they prove that the pipeline runs, not that it paints portraits.
Runs inside the project's environment (torch, onnx, scikit-image).
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent
REPO = FOLDER.parents[1]
CACHE = REPO / ".cache" / "standins"
if str(FOLDER) not in sys.path:  # when loaded by path
    sys.path.append(str(FOLDER))

from standins_files import fill, replacing, waiting, write_safetensors, write_torch  # noqa: E402
from standins_onnx import build_detector, build_recogniser  # noqa: E402
from standins_parser import fit_last_layer  # noqa: E402
from standins_shapes import (  # noqa: E402
    STANDIN_WIDTHS,
    adapter_module_shapes,
    clip_text_shapes,
    clip_vision_shapes,
    open_clip_text_shapes,
)

# Paths in a models folder.
CHECKPOINT = {base: f"checkpoints/standin_{base}.safetensors" for base in STANDIN_WIDTHS}
ADAPTER = {base: f"consistentid/standin_consistentid_{base}.bin" for base in STANDIN_WIDTHS}
CLIP_VISION = "clip_vision/standin_clip_vit_h.safetensors"
FACE_PARSER = "consistentid/standin_face_parsing.pth"
FACE_ANALYSIS = "insightface/models/standin_buffalo_l"


def prepare(comfyui, base="sd15"):
    """The models folder, with every stand-in that a run with the stand-in of `base` ("sd15" or "sdxl") needs."""
    folder = open_folder()
    write_for_workflows(folder, base, comfyui)
    return folder


def open_folder():
    """The models folder of these sources, with its subfolders; making it removes the folders of other sources."""
    digest = hashlib.sha256()
    for source in sorted(FOLDER.glob("standins*.py")):
        digest.update(source.read_bytes())
    folder = CACHE / digest.hexdigest()[:12]
    with waiting(CACHE):
        if not folder.exists():
            shutil.rmtree(CACHE, ignore_errors=True)
        for name in _list_writers(comfyui=None):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return folder


def write_missing(models_folder, names, comfyui):
    """Write those of the named stand-ins (CHECKPOINT["sdxl"], ...) that `models_folder` lacks."""
    writers = _list_writers(comfyui)
    with waiting(models_folder):
        for name in names:
            path = Path(models_folder) / name
            if not path.exists():
                print(f"  making {path}", flush=True)
                writers[name](path)


def write_for_workflows(models_folder, base, comfyui):
    """Write what the workflows of a base model load; returns {loader: (input, file name)}."""
    files = {
        "CheckpointLoaderSimple": ("ckpt_name", CHECKPOINT[base]),
        "CLIPVisionLoader": ("clip_name", CLIP_VISION),
        "ConsistentID_LoadAdapter": ("adapter_name", ADAPTER[base]),
        "ConsistentID_LoadFaceParser": ("parser_name", FACE_PARSER),
        "ConsistentID_LoadFaceAnalysis": ("package", FACE_ANALYSIS),
    }
    write_missing(models_folder, [path for _, path in files.values()], comfyui)
    return {loader: (field, Path(path).name) for loader, (field, path) in files.items()}


def write_checkpoint_sd15(path, comfyui):
    """A single-file SD1.5 checkpoint: all of SD1.5's UNet keys at width 320, TAESD, full CLIP-L. About 480 MB."""
    _write_checkpoint(path, comfyui, "sd15", {"cond_stage_model.transformer": clip_text_shapes()}, vae_scale=0.18215)


def write_checkpoint_sdxl(path, comfyui):
    """A single-file SDXL checkpoint: all of SDXL's UNet keys at width 320, TAESD, full CLIP-L and bigG. About 2.2 GB.

    The text encoders are whole because ComfyUI builds them whole: what a file lacks stays uninitialised memory.
    """
    text = {
        "conditioner.embedders.0.transformer": clip_text_shapes(),
        "conditioner.embedders.1.model": open_clip_text_shapes(),
    }
    _write_checkpoint(path, comfyui, "sdxl", text, vae_scale=0.13025)


def write_clip_vision(path):
    """CLIP ViT-H/14 at full size under its Hugging Face key names, fp16. About 1.26 GB, written as a stream."""
    write_safetensors(path, clip_vision_shapes())


def write_adapter_sd15(path, widths=None, rank=128):
    """The published SD1.5 adapter container. `widths`: those of the stand-in checkpoint, or REAL_WIDTHS["sd15"]."""
    _write_adapter(path, 768, "image_proj", widths or STANDIN_WIDTHS["sd15"], rank)


def write_adapter_sdxl(path, widths=None, rank=128):
    """The published SDXL adapter container. `widths`: those of the stand-in checkpoint, or REAL_WIDTHS["sdxl"]."""
    _write_adapter(path, 2048, "image_proj_model", widths or STANDIN_WIDTHS["sdxl"], rank)


def write_face_parser(path):
    """BiSeNet's plain state dict as in face_parsing.pth, fp32; it parses scikit-image's astronaut and nobody else."""
    parsing = load_core()("face.parsing")
    network = parsing.BiSeNet()
    network.load_state_dict({k: fill(k, s, torch.float32) for k, s in _shapes_of(network.state_dict()).items()})
    fit_last_layer(network, parsing.IMAGENET_MEAN, parsing.IMAGENET_STD)
    write_torch(path, network.state_dict())


def write_face_analysis(folder):
    """The InsightFace package `folder` (its name is the package's name): a detector that knows one face, the
    astronaut of scikit-image, and a recogniser that is a random linear map of the aligned crop."""
    for name, build in (("det_10g.onnx", build_detector), ("w600k_r50.onnx", build_recogniser)):
        with replacing(Path(folder) / name) as part:
            part.write_bytes(build().SerializeToString())


def load_core():
    """A function that imports `consistentid.<module>`, with the package loaded by path."""
    if "consistentid" not in sys.modules:
        folder = REPO / "consistentid"
        spec = importlib.util.spec_from_file_location(
            "consistentid", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        sys.modules["consistentid"] = package = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(package)
    return lambda module: importlib.import_module(f"consistentid.{module}")


def _list_writers(comfyui):
    """{path in a models folder: function that writes it to a path}"""
    return {
        CHECKPOINT["sd15"]: partial(write_checkpoint_sd15, comfyui=comfyui),
        CHECKPOINT["sdxl"]: partial(write_checkpoint_sdxl, comfyui=comfyui),
        ADAPTER["sd15"]: write_adapter_sd15,
        ADAPTER["sdxl"]: write_adapter_sdxl,
        CLIP_VISION: write_clip_vision,
        FACE_PARSER: write_face_parser,
        FACE_ANALYSIS: write_face_analysis,
    }


def _write_checkpoint(path, comfyui, base, text_encoders, vae_scale):
    host = _host_shapes(comfyui, base)
    parts = {"model.diffusion_model": host["unet"], "first_stage_model": host["vae"], **text_encoders}
    shapes = {f"{part}.{key}": shape for part, shapes in parts.items() for key, shape in shapes.items()}
    write_safetensors(path, shapes, {"first_stage_model.vae_scale": vae_scale, "first_stage_model.vae_shift": 0})


def _write_adapter(path, context, projection_part, widths, rank):
    core = load_core()
    with torch.device("meta"):
        encoder = core("adapter.facial_encoder").FacialEncoder(width=context).state_dict()
        projection = core("adapter.id_projection").IDProjection(width=context).state_dict()
    parts = {
        "FacialEncoder": _shapes_of(encoder),
        projection_part: _shapes_of(projection),
        "adapter_modules": adapter_module_shapes(widths, context, rank),
    }
    write_torch(path, {part: {k: fill(f"{part}.{k}", s) for k, s in shapes.items()} for part, shapes in parts.items()})


def _shapes_of(state_dict):
    return {key: tuple(tensor.shape) for key, tensor in state_dict.items()}


def _host_shapes(comfyui, base):
    command = [sys.executable, str(FOLDER / "standins_host.py"), str(comfyui), base]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"Could not read the {base} layout from ComfyUI at {comfyui}:\n{run.stderr[-2000:]}")
    return json.loads(run.stdout)
