"""Which model file each loader of the workflow gets, of those that the server finds."""

import json
import re
from dataclasses import dataclass
from typing import NamedTuple

from . import REPO
from .comfyui_server import get_json, log_tail
from .failure import Failure

MANIFEST = {m["id"]: m for m in json.loads((REPO / "models_manifest.json").read_text(encoding="utf-8"))["models"]}


@dataclass(frozen=True)
class Slot:
    """One loader's file. `known`: pattern of the real file's name; `home`: where it belongs below models."""

    label: str
    loader: str
    field: str
    known: str
    home: str


class Slots(NamedTuple):
    """The files of one base model's workflow."""

    checkpoint: Slot
    clip_vision: Slot
    adapter: Slot
    face_parser: Slot
    face_analysis: Slot


def _manifest_slot(label, loader, field, model_id):
    model = MANIFEST[model_id]
    known = "|".join(re.escape(name) for name in (model["name"], *model["alternatives"]))
    return Slot(label, loader, field, f"({known})$", f"{model['folder']}/{model['name']}")


def _list_slots(base, title, known_checkpoint):
    return Slots(
        checkpoint=Slot(
            f"{title} checkpoint",
            "CheckpointLoaderSimple",
            "ckpt_name",
            known_checkpoint,
            f"checkpoints; --checkpoint NAME takes any {title} model there",
        ),
        clip_vision=_manifest_slot("CLIP ViT-H", "CLIPVisionLoader", "clip_name", "clip_vision"),
        adapter=_manifest_slot(
            "ConsistentID adapter",
            "ConsistentID_LoadAdapter",
            "adapter_name",
            f"adapter_{base}",
        ),
        face_parser=_manifest_slot(
            "face parser",
            "ConsistentID_LoadFaceParser",
            "parser_name",
            "face_parser",
        ),
        face_analysis=_manifest_slot(
            "face analysis",
            "ConsistentID_LoadFaceAnalysis",
            "package",
            "face_analysis",
        ),
    )


SLOTS = {
    "sd15": _list_slots("sd15", "SD1.5", r"realistic.?vision"),
    "sdxl": _list_slots("sdxl", "SDXL", r"realvis.?xl"),
}


def choose_models(address, base, checkpoint=None):
    """{slot: name of the real file, or None} from what the server has; `checkpoint` is the user's choice."""
    slots = SLOTS[base]
    names = {slot: list_names(address, slot) for slot in slots}
    chosen = {slot: next((n for n in names[slot] if re.search(slot.known, n, re.IGNORECASE)), None) for slot in slots}
    if checkpoint:
        if checkpoint not in names[slots.checkpoint]:
            has = ", ".join(names[slots.checkpoint]) or "none"
            raise Failure(f"ComfyUI has no checkpoint {checkpoint!r}. It has: {has}.")
        chosen[slots.checkpoint] = checkpoint
    return chosen


def list_names(address, slot):
    """What a loader offers."""
    node = get_json(f"{address}/object_info/{slot.loader}").get(slot.loader)
    if not node:
        raise Failure(f"ComfyUI does not know the node {slot.loader}: the pack did not load.\n{log_tail()}")
    kind, *rest = node["input"]["required"][slot.field]
    return kind if isinstance(kind, list) else rest[0]["options"]
