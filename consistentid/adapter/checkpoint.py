"""The adapter as a file: its layout, which base model it is for, and strict loading.

Published layout: {FacialEncoder, image_proj | image_proj_model, adapter_modules}, nested in `.bin`,
with dotted keys in `.safetensors`.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..finite import list_not_finite
from ..weights import load_strictly, read_weights
from .attention import PROJECTIONS, IDLayer, IDLayers, Lora
from .config import CONFIGS, AdapterConfig
from .facial_encoder import FacialEncoder
from .id_projection import IDProjection
from .sites import Site, list_sites
from .trained_regions import add_regions

PARTS = {
    "FacialEncoder": "FacialEncoder",
    "image_proj": "image_proj",
    "image_proj_model": "image_proj",
    "adapter_modules": "adapter_modules",
}
_ADVICE = "Download ConsistentID-v1.bin (SD1.5) or ConsistentID_SDXL-v1.bin (SDXL) again."
_HEADS = ("unet.", *PARTS)
_NUMBER = re.compile("[0-9]{1,6}")
_ENTRY = re.compile(rf"({_NUMBER.pattern})\.(to_(?:q|k|v|out)_lora\.(?:up|down)|to_[kv]_ip)\.weight")


@dataclass(frozen=True)
class Adapter:
    """A loaded adapter; treat it as immutable.

    facial_encoder, id_projection: networks. id_layers: one per site.
    loras: {(site, "attn1" | "attn2", "to_q" | "to_k" | "to_v" | "to_out"): Lora}.
    """

    config: AdapterConfig
    source: str
    facial_encoder: FacialEncoder
    id_projection: IDProjection
    id_layers: IDLayers
    loras: dict[tuple[Site, str, str], Lora]

    def to(self, device: str | torch.device, dtype: torch.dtype) -> "Adapter":
        """The same adapter, its two networks moved in place: a file's own precision is often half."""
        for network in (self.facial_encoder, self.id_projection):
            network.to(device, dtype)
        return self


def load_adapter(path: str | Path, operations=nn) -> Adapter:
    """Read an adapter file (`.bin` or `.safetensors`) of any base model; CheckpointError when it is not a complete one.

    operations: module that makes the layers (torch.nn, or ComfyUI's comfy.ops.manual_cast).
    """
    path = Path(path)
    adapter = build_adapter(split_parts(read_weights(path), path.name), path.name, operations)
    return replace(adapter, config=add_regions(adapter.config, path))


def split_parts(content: dict, source: str) -> dict[str, dict[str, Tensor]]:
    """Sort a checkpoint's tensors into its three parts, whichever key spelling it uses."""
    parts: dict[str, dict[str, Tensor]] = {}
    foreign = []
    for key, value in _unwrap(content, source).items():
        head, _, rest = key.partition(".")
        if key in PARTS and isinstance(value, dict) and PARTS[key] not in parts:
            _check_tensors(value, f"{source}: {key}")
            parts[PARTS[key]] = value
        elif head in PARTS and rest and isinstance(value, Tensor):
            parts.setdefault(PARTS[head], {})[rest] = value
        else:
            foreign.append(key)
    absent = sorted(set(PARTS.values()) - parts.keys())
    if absent:
        raise CheckpointError(
            f"{source} is not a ConsistentID adapter: it has no {', '.join(absent)}. "
            f"Its top-level keys are {', '.join(foreign[:5]) or ', '.join(parts)}. "
            "Expected ConsistentID-v1.bin (SD1.5) or ConsistentID_SDXL-v1.bin (SDXL)."
        )
    if foreign:
        raise CheckpointError(f"{source} has unexpected top-level keys ({len(foreign)}): {', '.join(foreign[:5])}.")
    return parts


def _unwrap(content: dict, source: str) -> dict:
    """The adapter's part of what a trainer saved: out of `state_dict`, without the prefixes of
    distributed and compiled training, without the frozen `unet.`.

    The authors' trainer saves {unet.*, image_proj_model.*, adapter_modules.*, FacialEncoder.*}: its UNet is the base
    model's, and what was trained in it is among adapter_modules too.
    """
    for name in ("state_dict", "model", "module"):
        inner = content.get(name)
        if isinstance(inner, dict) and any(str(key).removeprefix("module.").startswith(_HEADS) for key in inner):
            content = inner
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    content = {key.removeprefix("module.").removeprefix("_orig_mod."): value for key, value in named.items()}
    trained = {key: value for key, value in content.items() if not key.startswith("unet.") and key != "unet"}
    heads = {PARTS.get(key.partition(".")[0]) for key in trained}
    if not heads >= set(PARTS.values()) and len(trained) < len(content):
        raise CheckpointError(
            f"{source} is a training checkpoint that holds a UNet (keys unet.*) but not all of FacialEncoder, "
            f"image_proj_model and adapter_modules; found {', '.join(sorted(filter(None, heads))) or 'none of them'}. "
            "Save the three parts of the trained model, as the authors' own conversion does, and load that file."
        )
    return trained


def _check_tensors(part: dict, place: str) -> None:
    for name, value in part.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise CheckpointError(f"{place} holds {name!r:.200}: {type(value).__name__}, not a named tensor. {_ADVICE}")


def detect_config(parts: dict[str, dict[str, Tensor]], source: str) -> AdapterConfig:
    """Which base model the adapter is for, by the width of its facial tokens and its number of sites."""
    norm = parts["FacialEncoder"].get("fuse_module.layer_norm.weight")
    width = norm.shape[0] if norm is not None and norm.ndim == 1 else None
    numbers = (key.split(".")[0] for key in parts["adapter_modules"])
    entries = len({int(number) for number in numbers if _NUMBER.fullmatch(number)})
    for config in CONFIGS:
        if (width, entries) == (config.width, 2 * config.sites):
            return config
    supported = "; ".join(f"{c.title}: width {c.width}, {2 * c.sites} layers" for c in CONFIGS)
    raise CheckpointError(
        f"{source} is not an adapter for a supported base model: its facial tokens have width {width} and it "
        f"covers {entries} attention layers. Supported: {supported}."
    )


def build_adapter(parts: dict[str, dict[str, Tensor]], source: str, operations=nn) -> Adapter:
    """Make an Adapter from sorted tensors; networks keep the dtype of the tensors."""
    config = detect_config(parts, source)
    with torch.device("meta"):
        facial_encoder = FacialEncoder(config.width, operations, config.sizes)
        id_projection = IDProjection(config.width, operations, config.sizes)
    load_strictly(facial_encoder, parts["FacialEncoder"], f"{source}: FacialEncoder")
    load_strictly(id_projection, parts["image_proj"], f"{source}: image_proj")
    entries = _group_entries(parts["adapter_modules"], config, source)
    return Adapter(
        config=config,
        source=source,
        facial_encoder=facial_encoder,
        id_projection=id_projection,
        id_layers=_build_id_layers(entries, config, source, operations),
        loras=_collect_loras(entries, config),
    )


def _group_entries(modules: dict[str, Tensor], config: AdapterConfig, source: str) -> dict[int, dict[str, Tensor]]:
    entries: dict[int, dict[str, Tensor]] = {number: {} for number in range(2 * config.sites)}
    for key, tensor in modules.items():
        match = _ENTRY.fullmatch(key)
        if not match or int(match[1]) not in entries:
            raise CheckpointError(f"{source}: unexpected key adapter_modules.{key}. {_ADVICE}")
        entries[int(match[1])][match[2]] = tensor
    for number, entry in entries.items():
        _check_entry(entry, number, config.width, f"{source}: adapter_modules.{number}")
    if broken := list_not_finite(modules):
        raise CheckpointError(
            f"{source}: values that are no numbers (NaN or infinite), in tensors: {len(broken)}, the first "
            f"adapter_modules.{broken[0]}. The file is damaged, or its training went wrong. {_ADVICE}"
        )
    return entries


def _check_entry(entry: dict[str, Tensor], number: int, context: int, place: str) -> None:
    names = {f"{projection}_lora.{side}" for projection in PROJECTIONS for side in ("up", "down")}
    is_cross = number % 2 == 1
    names |= {"to_k_ip", "to_v_ip"} if is_cross else set()
    if entry.keys() != names:
        raise CheckpointError(
            f"{place}: missing {sorted(names - entry.keys()) or 'nothing'}, "
            f"unexpected {sorted(entry.keys() - names) or 'nothing'}. {_ADVICE}"
        )
    if entry["to_q_lora.up"].ndim != 2:
        raise CheckpointError(f"{place}.to_q_lora.up is not a matrix. {_ADVICE}")
    hidden, rank = entry["to_q_lora.up"].shape
    source_width = context if is_cross else hidden
    shapes = {f"{projection}_lora.up": (hidden, rank) for projection in PROJECTIONS}
    shapes |= {"to_q_lora.down": (rank, hidden), "to_out_lora.down": (rank, hidden)}
    shapes |= {"to_k_lora.down": (rank, source_width), "to_v_lora.down": (rank, source_width)}
    if is_cross:
        shapes |= {"to_k_ip": (hidden, context), "to_v_ip": (hidden, context)}
    for name, shape in shapes.items():
        if entry[name].shape != shape:
            raise CheckpointError(
                f"{place}.{name}: shape {list(entry[name].shape)} instead of {list(shape)}. {_ADVICE}"
            )


def _build_id_layers(entries, config: AdapterConfig, source: str, operations) -> IDLayers:
    layers = IDLayers()
    for site in list_sites(config):
        entry = entries[site.cross_entry]
        state = {f"{name}.weight": entry[name] for name in ("to_k_ip", "to_v_ip")}
        with torch.device("meta"):
            layer = IDLayer(config.width, entry["to_k_ip"].shape[0], operations)
        load_strictly(layer, state, f"{source}: adapter_modules.{site.cross_entry}")
        layers.append(layer)
    return layers


def _collect_loras(entries, config: AdapterConfig) -> dict[tuple[Site, str, str], Lora]:
    return {
        (site, attention, projection): Lora(
            up=entries[number][f"{projection}_lora.up"], down=entries[number][f"{projection}_lora.down"]
        )
        for site in list_sites(config)
        for attention, number in (("attn1", site.self_entry), ("attn2", site.cross_entry))
        for projection in PROJECTIONS
    }
