"""Which model file each loader of the workflow gets: a real one that the server finds, else a stand-in."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import standins
import standins_shapes
from comfyui_server import get_json, log_tail
from project_environment import REPO
from quickstart_failure import Failure

STANDIN_MODELS = REPO / ".cache" / "standins" / "models"
MANIFEST = {m["id"]: m for m in json.loads((REPO / "models_manifest.json").read_text(encoding="utf-8"))["models"]}


@dataclass(frozen=True)
class Slot:
    """One loader's file. `known`: pattern of the real file's name; `kinds`: ComfyUI's model folders it can be in."""

    label: str
    loader: str
    field: str
    kinds: tuple[str, ...]
    known: str
    home: str
    standin: str


def _manifest_slot(label, loader, field, kinds, model_id, standin):
    model = MANIFEST[model_id]
    known = "|".join(re.escape(name) for name in (model["name"], *model["alternatives"]))
    return Slot(label, loader, field, kinds, f"({known})$", f"{model['folder']}/{model['name']}", standin)


CHECKPOINT = Slot(
    "SD1.5 checkpoint",
    "CheckpointLoaderSimple",
    "ckpt_name",
    ("checkpoints",),
    r"realistic.?vision",
    "checkpoints; --checkpoint NAME takes any SD1.5 model there",
    standins.CHECKPOINT,
)
CLIP_VISION = _manifest_slot(
    "CLIP ViT-H", "CLIPVisionLoader", "clip_name", ("clip_vision",), "clip_vision", standins.CLIP_VISION
)
ADAPTER = _manifest_slot(
    "ConsistentID adapter",
    "ConsistentID_LoadAdapter",
    "adapter_name",
    ("consistentid",),
    "adapter_sd15",
    standins.ADAPTER,
)
FACE_PARSER = _manifest_slot(
    "face parser",
    "ConsistentID_LoadFaceParser",
    "parser_name",
    ("consistentid", "facexlib"),
    "face_parser",
    standins.FACE_PARSER,
)
FACE_ANALYSIS = _manifest_slot(
    "face analysis",
    "ConsistentID_LoadFaceAnalysis",
    "package",
    ("insightface",),
    "face_analysis",
    standins.FACE_ANALYSIS,
)
SLOTS = (CHECKPOINT, CLIP_VISION, ADAPTER, FACE_PARSER, FACE_ANALYSIS)
FULL_ADAPTER = "consistentid/standin_consistentid_sd15_full.bin"


def prepare_standin_folder():
    """The folder stand-ins go to, with the subfolders a server must know of when it starts."""
    for slot in SLOTS:
        (STANDIN_MODELS / slot.standin).parent.mkdir(parents=True, exist_ok=True)
    return STANDIN_MODELS


def choose_models(address, checkpoint=None):
    """{slot: name of the real file, or None} from what the server has; `checkpoint` is the user's choice."""
    names = {slot: list_names(address, slot) for slot in SLOTS}
    chosen = {slot: next((n for n in names[slot] if re.search(slot.known, n, re.IGNORECASE)), None) for slot in SLOTS}
    if checkpoint:
        if checkpoint not in names[CHECKPOINT]:
            has = ", ".join(names[CHECKPOINT]) or "none"
            raise Failure(f"ComfyUI has no checkpoint {checkpoint!r}. It has: {has}.")
        chosen[CHECKPOINT] = checkpoint
    if not chosen[CHECKPOINT]:
        chosen[ADAPTER] = None  # the real adapter does not fit the narrow stand-in checkpoint
    return chosen


def write_standins(chosen, comfyui):
    """Write the stand-ins that are needed and not there yet; returns {slot: the name its loader takes}."""
    paths = {slot: STANDIN_MODELS / slot.standin for slot, name in chosen.items() if not name}
    if chosen[CHECKPOINT] and ADAPTER in paths:
        paths[ADAPTER] = STANDIN_MODELS / FULL_ADAPTER
    for slot, path in paths.items():
        if not path.exists():
            print(f"  making {path.relative_to(REPO)}", flush=True)
            _write_standin(slot, path, comfyui)
    return {slot: name or paths[slot].name for slot, name in chosen.items()}


def list_names(address, slot):
    """What a loader offers and the server really has; without stand-ins, and without names offered as examples."""
    node = get_json(f"{address}/object_info/{slot.loader}").get(slot.loader)
    if not node:
        raise Failure(f"ComfyUI does not know the node {slot.loader}: the pack did not load.\n{log_tail()}")
    kind, *rest = node["input"]["required"][slot.field]
    offered = kind if isinstance(kind, list) else rest[0]["options"]
    files = {f"/{file}/".replace("\\", "/") for kind in slot.kinds for file in get_json(f"{address}/models/{kind}")}
    real = (name for name in offered if not Path(name).name.startswith("standin_"))
    return [name for name in real if any(f"/{name}/".replace("\\", "/") in file for file in files)]


def _write_standin(slot, path, comfyui):
    if slot is CHECKPOINT:
        standins.write_checkpoint_sd15(path, comfyui)
    elif slot is ADAPTER:
        full = path.name == Path(FULL_ADAPTER).name
        standins.write_adapter_sd15(path, standins_shapes.REAL_WIDTHS if full else None)
    else:
        write = {
            CLIP_VISION: standins.write_clip_vision,
            FACE_PARSER: standins.write_face_parser,
            FACE_ANALYSIS: standins.write_face_analysis,
        }
        write[slot](path)
