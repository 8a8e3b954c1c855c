"""Which model file each loader of the workflow gets: a real one that the server finds, else a stand-in."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import standins
from comfyui_server import get_json, log_tail
from project_environment import REPO
from quickstart_failure import Failure

MANIFEST = {m["id"]: m for m in json.loads((REPO / "models_manifest.json").read_text(encoding="utf-8"))["models"]}


@dataclass(frozen=True)
class Slot:
    """One loader's file. `known`: pattern of the real file's name; `home`: where it belongs below models."""

    label: str
    loader: str
    field: str
    known: str
    home: str
    standin: str


class Slots(NamedTuple):
    """The files of one base model's workflow."""

    checkpoint: Slot
    clip_vision: Slot
    adapter: Slot
    face_parser: Slot
    face_analysis: Slot


def _manifest_slot(label, loader, field, model_id, standin):
    model = MANIFEST[model_id]
    known = "|".join(re.escape(name) for name in (model["name"], *model["alternatives"]))
    return Slot(label, loader, field, f"({known})$", f"{model['folder']}/{model['name']}", standin)


def _list_slots(base, title, known_checkpoint):
    return Slots(
        checkpoint=Slot(
            f"{title} checkpoint",
            "CheckpointLoaderSimple",
            "ckpt_name",
            known_checkpoint,
            f"checkpoints; --checkpoint NAME takes any {title} model there",
            standins.CHECKPOINT[base],
        ),
        clip_vision=_manifest_slot("CLIP ViT-H", "CLIPVisionLoader", "clip_name", "clip_vision", standins.CLIP_VISION),
        adapter=_manifest_slot(
            "ConsistentID adapter",
            "ConsistentID_LoadAdapter",
            "adapter_name",
            f"adapter_{base}",
            standins.ADAPTER[base],
        ),
        face_parser=_manifest_slot(
            "face parser",
            "ConsistentID_LoadFaceParser",
            "parser_name",
            "face_parser",
            standins.FACE_PARSER,
        ),
        face_analysis=_manifest_slot(
            "face analysis",
            "ConsistentID_LoadFaceAnalysis",
            "package",
            "face_analysis",
            standins.FACE_ANALYSIS,
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
    if not chosen[slots.checkpoint]:
        chosen[slots.adapter] = None  # the real adapter does not fit the narrow stand-in checkpoint
    return chosen


def write_standins(folder, base, chosen, comfyui):
    """Write the stand-ins that are needed and not in `folder` yet; returns {slot: the name its loader takes}."""
    slots = SLOTS[base]
    paths = {slot: slot.standin for slot, name in chosen.items() if not name}
    if chosen[slots.checkpoint] and slots.adapter in paths:
        paths[slots.adapter] = standins.FULL_ADAPTER[base]
    standins.write_missing(folder, paths.values(), comfyui)
    return {slot: name or Path(paths[slot]).name for slot, name in chosen.items()}


def list_names(address, slot):
    """What a loader offers, without stand-ins."""
    node = get_json(f"{address}/object_info/{slot.loader}").get(slot.loader)
    if not node:
        raise Failure(f"ComfyUI does not know the node {slot.loader}: the pack did not load.\n{log_tail()}")
    kind, *rest = node["input"]["required"][slot.field]
    offered = kind if isinstance(kind, list) else rest[0]["options"]
    return [name for name in offered if not Path(name).name.startswith("standin_")]
