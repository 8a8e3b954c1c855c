"""Every workflow opens in the real editor as it was drawn, and the editor would queue exactly its API twin."""

import json
import urllib.request

import pytest
from drawn_nodes import find_overlaps, list_boxes

from consistentid.model_files.manifest import read_manifest
from scripts.workflows.files import NAMES, read_titled_twin, read_workflow

pytestmark = pytest.mark.usefixtures("drawing")

KEPT = ("id", "type", "pos", "flags", "mode", "color", "bgcolor")
SHOWN = ("proxyWidgets", "previewExposures")
PACK = "comfyui-consistentid"

OPEN_DIALOGS = "return [...document.querySelectorAll('.p-dialog')].map((dialog) => dialog.innerText);"
DEFECTS = """
const choices = ({ values }) => typeof values === "function" ? values() : values;
const isWrong = ({ type, value, options }) => type === "combo" ? !choices(options).includes(value)
  : typeof value === "number" && (value < (options.min ?? value) || value > (options.max ?? value));
return {
  missing: graph.nodes.filter((node) => !(node.type in LiteGraph.registered_node_types)).map((node) => node.type),
  wrong: graph.nodes.flatMap((node) => (node.widgets ?? []).filter(isWrong).map((widget) => widget.value)),
  titles: graph.nodes.map((node) => [Number(node.id), node.title]),
};
"""
# The dialog opens with templates of the editor, also late, when another group is chosen already. It holds the pictures
# that are in view, and lists more templates when its end comes into view.
LOOK_FURTHER = """
const inDialog = (tag) => [...document.querySelectorAll(`.p-dialog ${tag}, [role=dialog] ${tag}`)];
const isGroup = (element) => element.children.length === 0 && element.textContent.trim() === args[0];
if (!inDialog("*").length) {
  await app.extensionManager.command.execute("Comfy.BrowseTemplates"); // a busy editor may have lost the first call
  return false;
}
const pictures = inDialog("img");
if (!pictures.some((one) => args[1].includes(one.alt))) {
  inDialog("*").find(isGroup)?.click();
  return false;
}
window.seenPictures ??= new Set();
const isOurs = (one) => one.naturalWidth && args[1].includes(one.alt);
pictures.filter(isOurs).forEach((one) => window.seenPictures.add(one.alt));
const unseen = pictures.find((one) => !window.seenPictures.has(one.alt)) ?? pictures.at(-1);
window.looks = (window.looks ?? 0) + 1; // what is in view already is not noticed: look elsewhere in between
let next = window.looks % 2 ? pictures[((window.looks - 1) / 2) % pictures.length] : unseen;
while (!next.clientHeight) next = next.parentElement;
next.scrollIntoView();
return window.seenPictures.size >= args[1].length && [...window.seenPictures];
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_workflow_opens_as_drawn(name, page):
    workflow = read_workflow(name)
    page.load(workflow)
    defects = page.evaluate(DEFECTS)
    assert defects["missing"] == []
    assert [value for value in defects["wrong"] if not is_model(value)] == [], "only models are not here"
    assert dict(defects["titles"]) == {node["id"]: node["title"] for node in workflow["nodes"]}
    assert page.evaluate(OPEN_DIALOGS) == []
    saved = page.save()
    assert list(map(keep, saved["nodes"])) == list(map(keep, workflow["nodes"]))
    assert sorted(saved["links"]) == sorted(workflow["links"])
    assert list(map(keep_group, saved["groups"])) == list(map(keep_group, workflow["groups"]))
    check_prompt(page, read_titled_twin(name))
    assert find_overlaps(list_boxes(page)) == []
    if "definitions" in workflow:
        page.enter_subgraph()
        assert find_overlaps(list_boxes(page)) == []


def test_the_templates_are_listed_with_thumbnails(page):
    page.evaluate("await app.extensionManager.command.execute('Comfy.BrowseTemplates');")
    assert sorted(page.wait_until(LOOK_FURTHER, PACK, NAMES)) == NAMES


def keep(node: dict) -> dict:
    """What the editor must not change; it adds the text that PreviewAny shows, and what a subgraph shows.

    Outputs that nothing takes are left out: newer ComfyUIs add some.
    """
    given = [] if node["type"] == "PreviewAny" else node.get("widgets_values", [])
    values = ["" if value is None else value for value in given]  # a text that comes from a link
    slots = {
        "inputs": [(slot["name"], slot["type"], slot["link"]) for slot in node["inputs"]],
        "outputs": [(slot["name"], slot["type"], slot["links"]) for slot in node["outputs"] if slot["links"]],
    }
    properties = {key: value for key, value in node["properties"].items() if key not in SHOWN}
    return {key: node.get(key) for key in KEPT} | slots | {"properties": properties, "widgets_values": values}


def keep_group(group: dict) -> dict:
    """Without the size of its title, which newer editors do not save."""
    return {key: value for key, value in group.items() if key != "font_size"}


def is_model(value) -> bool:
    return value in {model.name for model in read_manifest().values()} or str(value).endswith(".safetensors")


def unfold(prompt: dict) -> dict:
    """Nodes of a subgraph under their own ids; the editor writes "30:6" for node 6 in subgraph 30."""
    own = {id: id.rsplit(":", 1)[-1] for id in prompt}
    links = {id: {k: [own[v[0]], v[1]] for k, v in node["inputs"].items() if is_link(v)} for id, node in prompt.items()}
    return {own[id]: {**node, "inputs": {**node["inputs"], **links[id]}} for id, node in prompt.items()}


def is_link(value) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def check_prompt(page, twin: dict) -> None:
    """The editor's prompt is the twin, and what the twin leaves out has its default."""
    prompt = unfold(page.read_prompt())
    assert prompt.keys() == twin.keys()
    definitions = json.load(urllib.request.urlopen(f"{page.address}/object_info"))
    for id, node in twin.items():
        assert (prompt[id]["class_type"], prompt[id]["_meta"]) == (node["class_type"], node["_meta"])
        assert {key: prompt[id]["inputs"][key] for key in node["inputs"]} == node["inputs"]
        declared = definitions[node["class_type"]]["input"].get("optional", {})
        for key in declared.keys() & prompt[id]["inputs"].keys() - node["inputs"].keys():
            assert prompt[id]["inputs"][key] == declared[key][1]["default"]
