"""The editor in Chinese: names, tooltips, categories and search, and workflows, which are saved as they were."""

import json
import re
from pathlib import Path

import pytest
from editor_scripts import HAS_NODES_2

from scripts.workflows.files import read_workflow

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
# Titles, notes, and what the editor writes beside the slots of nodes that stand for subgraphs.
CANVAS = """
const name = (slot) => slot.label || slot.localized_name || slot.name;
const folded = graph.nodes.filter((node) => node.subgraph);
const graphs = [graph, ...folded.map((node) => node.subgraph)];
return [
  ...graphs.flatMap(({ groups, nodes }) => [...groups, ...nodes].map(({ title }) => title)),
  ...folded.flatMap((node) => [...node.inputs, ...node.outputs, ...node.subgraph.inputs].map(name)),
  ...graph.nodes.filter((node) => node.type === "MarkdownNote").map((node) => node.widgets[0].value),
];
"""
# What a subgraph's node shows of its inputs: in Nodes 2.0 as elements of the page.
LABELS = """
const node = graph.nodes.find((one) => one.subgraph);
if (!LiteGraph.vueNodesMode) return node.widgets.map((widget) => widget.label);
return document.querySelector(`.lg-node[data-node-id="${node.id}"]`)?.innerText.split("\\n");
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
    check_canvas(chinese_page)


def check_canvas(page):
    """A workflow's texts are Chinese, also inside; apart from the host's names of slots, its file has none of that."""
    page.load(read_workflow("small_two_people_zoo"))
    shown = page.evaluate(CANVAS)
    assert {"请先看这里", "1  两个人", "使用方法", "两个人的身份", "绘制人物 A", "身份 2", "人脸解析器"} <= set(shown)
    assert [text for text in shown if "点 **运行**" in text]
    rest = {text for text in shown if re.search("[a-z]{3}", text) and not re.search("[\u4e00-\u9fff]", text)}
    assert rest <= {"Latent", "Image Stitch"}, "the host's own, which ComfyUI 0.3.64 has no Chinese for"
    saved = re.sub(r'"localized_name": "[^"]*"', "", json.dumps(page.save(), ensure_ascii=False))
    assert not re.findall("[\u4e00-\u9fff]+", saved)
    assert "Identities of both people" in saved and "## 1  Press **Run**. Nothing is downloaded." in saved


def test_a_taiwanese_editor_has_the_words_of_taiwan_also_in_nodes_2(page):
    page.open_with({"Comfy.Locale": "zh-TW", "Comfy.VueNodes.Enabled": page.evaluate(HAS_NODES_2)})
    page.wait_until(TITLES, "ConsistentID_LoadAdapter", "載入 ConsistentID 轉接器")
    page.load(read_workflow("portrait_simple_sd15"))
    labels = {"提示詞", "預設", "寬度", "種子"}
    page.wait_until(
        f"const shown = (() => {{ {LABELS} }})(); return args[0].every((one) => shown?.includes(one));", [*labels]
    )
    assert not {"prompt", "preset", "width", "seed"} & set(page.evaluate(LABELS))
    assert "一張照片的 ConsistentID 肖像" in page.evaluate(CANVAS)
    saved = re.sub(r'"localized_name": "[^"]*"', "", json.dumps(page.save(), ensure_ascii=False))
    assert not re.findall("[\u4e00-\u9fff]+", saved)
