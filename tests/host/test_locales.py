"""Chinese names and tooltips: one for every node, input and output, nothing left over, and served by the host."""

import json
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What must not be lost in translation: numbers, file names, folders.
KEPT = re.compile(r"-?\d+(?:\.\d+)?|\w+(?:[_/.]\w+)+")
# Names that are the same in Chinese.
SAME = {"CLIP", "VAE", "cfg", "Latent", "CLIP ViT-H/14 (laion2B)"}
# The editor reads these as placeholders, links and plurals.
SPECIAL = re.compile(r"[{}@|]")


def read_locale(name: str, language: str = "zh") -> dict:
    return json.loads((ROOT / "locales" / language / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schemas(host) -> dict:
    schemas = [node.GET_SCHEMA() for node in host.nodes.NODES]
    return {schema.node_id: schema for schema in schemas}


def list_texts(schemas: dict) -> dict[tuple, str]:
    """English texts by their place in nodeDefs.json: {(node, "inputs", id, "tooltip"): text, ...}"""
    texts = {}
    for node, schema in schemas.items():
        texts |= {(node, "display_name"): schema.display_name, (node, "description"): schema.description}
        for kind, slots in (("inputs", schema.inputs), ("outputs", schema.outputs)):
            for number, slot in enumerate(slots):
                key = (node, kind, slot.id if kind == "inputs" else str(number))
                texts |= {(*key, "name"): slot.display_name or slot.id, (*key, "tooltip"): slot.tooltip}
    return texts


def list_leaves(tree: dict, path: tuple = ()) -> dict[tuple, str]:
    leaves = {}
    for key, value in tree.items():
        leaves |= list_leaves(value, (*path, key)) if isinstance(value, dict) else {(*path, key): value}
    return leaves


def test_every_input_and_output_has_a_tooltip(schemas):
    silent = [".".join(path[:-1]) for path, text in list_texts(schemas).items() if path[-1] == "tooltip" and not text]
    assert not silent


def test_every_text_has_a_translation_and_none_is_left_over(schemas):
    english, chinese = list_texts(schemas), list_leaves(read_locale("nodeDefs"))
    assert {".".join(path) for path in english} == {".".join(path) for path in chinese}
    untranslated = {path: text for path, text in chinese.items() if not CHINESE.search(text) and text not in SAME}
    assert not untranslated


def test_translations_keep_numbers_and_file_names(schemas):
    chinese = list_leaves(read_locale("nodeDefs"))
    translated = {slot.id for schema in schemas.values() for slot in schema.inputs}
    for path, text in list_texts(schemas).items():
        if path[-1] in ("description", "tooltip"):
            lost = set(KEPT.findall(text or "")) - set(KEPT.findall(chinese[path])) - translated
            assert not lost, f"{'.'.join(path)}: {chinese[path]}"


def test_no_text_holds_what_the_editor_would_read_as_a_command(schemas):
    for name in ("nodeDefs", "main"):
        assert not [text for text in list_leaves(read_locale(name)).values() if SPECIAL.search(text)]


def test_what_lists_offer_is_translated(schemas):
    """But for names of models, packages and devices, and numbers."""
    from comfy_api.latest import io

    choices = json.loads((ROOT / "js" / "zh" / "choices.json").read_text(encoding="utf-8"))
    files = {"adapter_name", "package", "parser_name", "model_folder", "name", "provider", "channel_order", "side_px"}
    files |= {"sampler_name", "scheduler"}  # the host's
    combos = [one for schema in schemas.values() for one in schema.inputs if isinstance(one, io.Combo.Input)]
    offered = {value for combo in combos if combo.id not in files for value in combo.options}
    assert not {value for value in offered if value not in choices and len(str(value)) > 1}


def test_categories_of_this_pack_are_translated(schemas):
    """`loaders` and `sampling` are the host's own, and translated by it."""
    parts = {part for schema in schemas.values() for part in schema.category.split("/")}
    assert set(read_locale("main")["nodeCategories"]) == parts - {"ConsistentID", "loaders", "sampling"}


@pytest.mark.parametrize("name", ["node_texts", "models_texts"])
def test_texts_of_the_editor_s_panels_are_there_in_both_languages(name):
    code = (ROOT / "js" / f"{name}.js").read_text(encoding="utf-8")
    english, chinese = re.search(
        r"const ENGLISH = {\n(.*?)^};.*const CHINESE = {\n(.*?)^};", code, re.S | re.M
    ).groups()
    keys = re.compile(r"^  (\w+):", re.M)
    assert keys.findall(english) == keys.findall(chinese) != []
    assert len(CHINESE.findall(chinese)) > 50 and not CHINESE.search(english)


def test_the_host_serves_the_translations(host, comfyui, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "utils", raising=False)  # ComfyUI's is meant, not that of another package
    monkeypatch.syspath_prepend(str(comfyui))
    import folder_paths
    from app.custom_node_manager import CustomNodeManager

    (tmp_path / "a pack").mkdir()
    (tmp_path / "a pack" / "locales").symlink_to(ROOT / "locales", target_is_directory=True)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "custom_nodes", ([str(tmp_path)], set()))
    served = CustomNodeManager().build_translations()
    assert served == {
        language: {"nodeDefs": read_locale("nodeDefs", language), **read_locale("main", language)}
        for language in ("zh", "zh-TW")
    }


def test_nodes_are_found_by_other_words_where_the_host_can(host, monkeypatch):
    """The field came with a later ComfyUI; older ones refuse it."""
    import dataclasses

    from comfy_api.latest import io

    if "search_aliases" not in {field.name for field in dataclasses.fields(io.Schema)}:

        @dataclasses.dataclass
        class NewerSchema(io.Schema):
            search_aliases: list[str] = dataclasses.field(default_factory=list)

        monkeypatch.setattr(io, "Schema", NewerSchema)
    words = {schema.node_id: schema.search_aliases for schema in (node.define_schema() for node in host.nodes.NODES)}
    assert not [node for node, found in words.items() if not found]
    assert all(any(CHINESE.search(word) for word in found) for found in words.values())
    assert {"faceid", "instantid", "same person"} <= {word for found in words.values() for word in found}
