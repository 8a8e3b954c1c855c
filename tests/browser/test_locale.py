"""The editor in Chinese: names, tooltips, categories and search."""

import json
from pathlib import Path

import pytest

LOCALE = Path(__file__).resolve().parents[2] / "locales" / "zh"
STORES = 'const stores = document.querySelector("#vue-app").__vue_app__.config.globalProperties.$pinia._s;'
TITLES = f"{STORES} return stores.get('nodeDef').nodeDefsByName[args[0]]?.display_name === args[1];"
DESCRIBE = f"""{STORES}
const definitions = stores.get("nodeDef").nodeDefsByName;
return Object.fromEntries(args[0].map((type) => {{
  const node = LiteGraph.createNode(type), definition = definitions[type];
  const label = (slot) => slot.localized_name ?? slot.label ?? slot.name;
  return [type, {{
    display_name: definition.display_name,
    description: definition.description,
    category: definition.category,
    inputs: Object.fromEntries((node.inputs ?? []).map((slot) => [slot.name, label(slot)])),
    widgets: Object.fromEntries((node.widgets ?? []).map((widget) => [widget.name, widget.label])),
    outputs: (node.outputs ?? []).map(label),
  }}];
}}));
"""
SEARCH = f"{STORES} return stores.get('nodeDef').nodeSearchService.searchNode(args[0]).map((found) => found.name);"


@pytest.fixture
def chinese_page(page):
    """The names of nodes are translated when the page is loaded."""
    page.open_with({"Comfy.Locale": "zh"})
    return page


def test_nodes_are_chinese_from_title_to_sockets(chinese_page):
    texts = json.loads((LOCALE / "nodeDefs.json").read_text(encoding="utf-8"))
    categories = json.loads((LOCALE / "main.json").read_text(encoding="utf-8"))["nodeCategories"]
    node, title = "ConsistentID_LoadIdentity", texts["ConsistentID_LoadIdentity"]["display_name"]
    chinese_page.wait_until(TITLES, node, title)
    shown = chinese_page.evaluate(DESCRIBE, list(texts))
    for node, text in texts.items():
        assert shown[node]["display_name"] == text["display_name"]
        assert shown[node]["description"] == text["description"]
        labels = shown[node]["inputs"] | shown[node]["widgets"]
        assert {name: labels[name] for name in text.get("inputs", {})} == {
            name: slot["name"] for name, slot in text.get("inputs", {}).items()
        }
        assert shown[node]["outputs"] == [slot["name"] for slot in text["outputs"].values()]
    assert {shown[node]["category"].split("/")[1] for node in texts} >= set(categories.values())
    assert "ConsistentID_AddPerson" in chinese_page.evaluate(SEARCH, "人物")
