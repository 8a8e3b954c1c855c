"""What nodes look like, read from the running ComfyUI and the pack."""

import asyncio
import importlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.file_import import import_file

from .files import BLUEPRINT_NAMES, NAMES, read_blueprint_twin, read_twin

WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
HIDDEN_WIDGETS = {"control_after_generate": "fixed", "image_upload": "image"}
"""Option of an input -> value of the widget that the editor puts behind it."""
EXTRAS = ("canny", "custom_sampler", "freelunch", "hooks", "images", "mask", "model_advanced", "model_merging")
EXTRAS += ("pag", "preview_any", "rebatch")
"""Files of ComfyUI, beside its nodes.py, whose nodes the workflows use."""
ENDS = ("SaveImage", "PreviewImage", "PreviewAny", "MaskPreview")
"""Nodes to which newer ComfyUIs gave outputs; no workflow uses them, so that it is drawn alike on all."""


@dataclass(frozen=True)
class Input:
    """kind: socket type, or "COMBO" for any list of choices."""

    kind: str
    options: dict
    is_optional: bool

    @property
    def is_widget(self) -> bool:
        return self.kind in WIDGET_TYPES and not self.options.get("forceInput")

    @property
    def first_choice(self) -> str | None:
        return next(iter(self.options.get("options", [])), None)

    @property
    def hidden_values(self) -> list[str]:
        return [value for option, value in HIDDEN_WIDGETS.items() if self.options.get(option)]


@dataclass(frozen=True)
class Schema:
    """A node's inputs in its own order, its outputs as (name, type, whether it is a list), and its title in English."""

    inputs: dict[str, Input]
    outputs: list[tuple[str, str, bool]]
    is_deprecated: bool = False
    title: str | None = None


def read_schemas(host, comfyui: Path) -> dict[str, Schema]:
    """{node id: schema} of all nodes that the workflows use. host: the pack, loaded as ComfyUI does."""
    import folder_paths

    importlib.import_module("utils.install_util")  # first, as in a server: nodes.py hides ComfyUI's utils with another
    # By path: pytest may have put our tests' folder into sys.modules as `nodes`.
    nodes = import_file("comfyui_nodes", comfyui / "nodes.py")
    Path(folder_paths.get_input_directory()).mkdir(parents=True, exist_ok=True)
    classes = {cls.define_schema().node_id: cls for cls in host.NODES}
    for module in (nodes, *(importlib.import_module(f"comfy_extras.nodes_{name}") for name in EXTRAS)):
        classes |= _list_classes(module)
    twins = [*map(read_twin, NAMES), *map(read_blueprint_twin, BLUEPRINT_NAMES)]
    types = {node["class_type"] for twin in twins for node in twin.values()}
    titles = getattr(nodes, "NODE_DISPLAY_NAME_MAPPINGS", {})
    return {type: _read_schema(type, classes[type], titles.get(type, type)) for type in types}


def _list_classes(module) -> dict[str, type]:
    """{node id: class} of a file of ComfyUI, which are one by one written anew as extensions."""
    if hasattr(module, "NODE_CLASS_MAPPINGS"):
        return module.NODE_CLASS_MAPPINGS
    extension = asyncio.run(module.comfy_entrypoint())
    return {cls.GET_SCHEMA().node_id: cls for cls in asyncio.run(extension.get_node_list())}


def _read_schema(type: str, cls, title: str) -> Schema:
    declared = cls.INPUT_TYPES()
    inputs = {
        name: Input("COMBO" if isinstance(kind, list) else str(kind), dict(*rest), part == "optional")
        for part in ("required", "optional")
        for name, (kind, *rest) in declared.get(part, {}).items()
    }
    types = [] if type in ENDS else list(cls.RETURN_TYPES)
    names = getattr(cls, "RETURN_NAMES", None) or types
    lists = getattr(cls, "OUTPUT_IS_LIST", None) or [False] * len(types)
    outputs = [(names[number], str(kind), lists[number]) for number, kind in enumerate(types)]
    if hasattr(cls, "GET_SCHEMA"):
        title = cls.GET_SCHEMA().display_name or title
    return Schema(inputs, outputs, bool(getattr(cls, "DEPRECATED", False)), title)
