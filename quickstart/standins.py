"""Small or random-weight model files in the real formats, for running the pack without the real models.

Every tensor is seeded by its own key, so a file is the same on every machine that shares a torch version.
Pictures made with these files are noise: they prove that the pipeline runs, not that it paints portraits.
Runs inside the project's environment (torch, onnx, scikit-image).
"""

import importlib.util
import json
import math
import os
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent
REPO = FOLDER.parent
if str(FOLDER) not in sys.path:  # when loaded by path
    sys.path.append(str(FOLDER))

from standins_onnx import build_detector, build_recogniser  # noqa: E402
from standins_parser import fit_last_layer  # noqa: E402
from standins_shapes import (  # noqa: E402
    STANDIN_WIDTHS,
    adapter_module_shapes,
    clip_text_shapes,
    clip_vision_shapes,
)

CHECKPOINT = "checkpoints/standin_sd15.safetensors"
CLIP_VISION = "clip_vision/standin_clip_vit_h.safetensors"
ADAPTER = "consistentid/standin_consistentid_sd15.bin"
FACE_PARSER = "consistentid/standin_face_parsing.pth"
FACE_ANALYSIS = "insightface/models/standin_buffalo_l"

# First match on the end of the key: (mean, spread) of a tensor with fewer than two dimensions.
VECTOR_RULES = (
    ("vae_scale", 0.18215, 0),
    ("vae_shift", 0, 0),
    ("running_var", 1, 0.02),
    ("weight", 1, 0.1),
    ("", 0, 0.1),
)


def fill(key, shape, dtype=torch.float16):
    """Seeded values for one tensor: normal / sqrt(fan in); norm weights near 1, biases near 0."""
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    values = torch.randn(tuple(shape), generator=generator)
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    if len(shape) >= 2:
        return (values / math.sqrt(math.prod(shape[1:]))).to(dtype)
    mean, spread = next((m, s) for end, m, s in VECTOR_RULES if key.endswith(end))
    return (mean + spread * values).to(dtype)


def write_checkpoint_sd15(path, comfyui):
    """A single-file SD1.5 checkpoint: all of SD1.5's UNet keys at width 320, TAESD, full CLIP-L. About 480 MB."""
    host = _host_shapes(comfyui)
    parts = {
        "model.diffusion_model": host["unet"],
        "first_stage_model": host["vae"],
        "cond_stage_model.transformer": clip_text_shapes(),
    }
    _write_safetensors(path, {f"{part}.{k}": shape for part, shapes in parts.items() for k, shape in shapes.items()})


def write_clip_vision(path):
    """CLIP ViT-H/14 at full size under its Hugging Face key names, fp16. About 1.26 GB, written as a stream."""
    _write_safetensors(path, clip_vision_shapes())


def write_adapter_sd15(path, widths=None, rank=128):
    """The published SD1.5 adapter container. `widths`: STANDIN_WIDTHS (default) or REAL_WIDTHS of standins_shapes."""
    core = load_core()
    with torch.device("meta"):
        encoder = core("adapter.facial_encoder").FacialEncoder(width=768).state_dict()
        projection = core("adapter.id_projection").IDProjection(width=768).state_dict()
    parts = {
        "FacialEncoder": _shapes_of(encoder),
        "image_proj": _shapes_of(projection),
        "adapter_modules": adapter_module_shapes(widths or STANDIN_WIDTHS, rank),
    }
    _write_torch(path, {part: {k: fill(f"{part}.{k}", s) for k, s in shapes.items()} for part, shapes in parts.items()})


def write_face_parser(path):
    """BiSeNet's plain state dict as in face_parsing.pth, fp32; it parses scikit-image's astronaut and nobody else."""
    parsing = load_core()("face.parsing")
    network = parsing.BiSeNet()
    network.load_state_dict({k: fill(k, s, torch.float32) for k, s in _shapes_of(network.state_dict()).items()})
    fit_last_layer(network, parsing.IMAGENET_MEAN, parsing.IMAGENET_STD)
    _write_torch(path, network.state_dict())


def write_face_analysis(folder):
    """The InsightFace package `folder` (its name is the package's name): a detector that knows one face, the
    astronaut of scikit-image, and a recogniser that is a random linear map of the aligned crop."""
    for name, build in (("det_10g.onnx", build_detector), ("w600k_r50.onnx", build_recogniser)):
        with _replacing(Path(folder) / name) as part:
            part.write_bytes(build().SerializeToString())


def write_all(models_folder, comfyui):
    """Write every stand-in that `models_folder` lacks; returns the paths written."""
    writers = {
        CHECKPOINT: lambda path: write_checkpoint_sd15(path, comfyui),
        CLIP_VISION: write_clip_vision,
        ADAPTER: write_adapter_sd15,
        FACE_PARSER: write_face_parser,
        FACE_ANALYSIS: write_face_analysis,
    }
    missing = {Path(models_folder) / name: write for name, write in writers.items()}
    missing = {path: write for path, write in missing.items() if not path.exists()}
    for path, write in missing.items():
        write(path)
    return list(missing)


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


def _shapes_of(state_dict):
    return {key: tuple(tensor.shape) for key, tensor in state_dict.items()}


def _host_shapes(comfyui):
    script = FOLDER / "standins_host.py"
    run = subprocess.run([sys.executable, str(script), str(comfyui)], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"Could not read the SD1.5 layout from ComfyUI at {comfyui}:\n{run.stderr[-2000:]}")
    return json.loads(run.stdout)


@contextmanager
def _replacing(path):
    """A neighbouring path to write to; it takes the place of `path` only when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _write_torch(path, content):
    with _replacing(path) as part:
        torch.save(content, part)


def _write_safetensors(path, shapes):
    """Stream fp16 tensors into a safetensors file, so that memory stays at one tensor."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for key, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[key] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with _replacing(path) as part, open(part, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for key, shape in shapes.items():
            file.write(fill(key, shape).numpy().tobytes())
