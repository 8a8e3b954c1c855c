"""Every workflow opens in the real editor as it was drawn, and the editor would queue exactly its API twin."""

import json
import urllib.request

import pytest
from drawn_nodes import find_overlaps, list_boxes

from consistentid.model_files.manifest import read_manifest
from scripts.workflows.files import BLUEPRINTS, NAMES, read_twin, read_workflow
from scripts.workflows.page import VIEW

pytestmark = pytest.mark.usefixtures("drawing")

KEPT = ("id", "type", "pos", "flags", "mode", "color", "bgcolor")
SHOWN = ("proxyWidgets", "previewExposures")

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
INSIDE = "{ const graph = app.canvas.graph; %s }"
TOGGLE = "await app.extensionManager.command.execute('Workspace.ToggleSidebarTab.node-library');"
VIEWED = "return { scale: app.canvas.ds.scale, offset: [...app.canvas.ds.offset] };"
COLOURS = """
const { default_connection_color_byType, constructor } = app.canvas;
const style = getComputedStyle(document.documentElement).getPropertyValue(`--color-datatype-${args[0]}`);
return [default_connection_color_byType[args[0]], constructor.link_type_colors[args[0]], style.trim()];
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_workflow_opens_as_drawn(name, page):
    workflow = read_workflow(name)
    page.load(workflow)
    defects = page.evaluate(DEFECTS)
    assert defects["missing"] == []
    assert [value for value in defects["wrong"] if not is_model(value)] == [], "only models are not here"
    names = {node["id"]: node.get("title") for node in workflow["nodes"]}
    shown = {id: title for id, title in defects["titles"] if names[id]}
    assert shown == {id: title for id, title in names.items() if title}
    check_view(page, workflow)
    assert page.evaluate(OPEN_DIALOGS) == []
    saved = page.save()
    assert list(map(keep, saved["nodes"])) == list(map(keep, workflow["nodes"]))
    assert sorted(saved["links"]) == sorted(workflow["links"])
    assert list(map(keep_group, saved["groups"])) == list(map(keep_group, workflow["groups"]))
    check_prompt(page, read_twin(name))
    boxes = list_boxes(page)
    assert find_overlaps(boxes) == []
    assert [id for id, box in boxes.items() if not lies_in_view(box, workflow["extra"]["ds"])] == []


@pytest.mark.parametrize("path", sorted(BLUEPRINTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_blueprint_opens_as_drawn(path, page):
    page.load(json.loads(path.read_text(encoding="utf-8")))
    assert page.evaluate(DEFECTS)["missing"] == []
    page.enter_subgraph()
    defects = page.evaluate(INSIDE % DEFECTS)
    assert defects["missing"] == [] and [value for value in defects["wrong"] if not is_model(value)] == []
    assert find_overlaps(list_boxes(page)) == []


def test_sockets_have_their_colours(page):
    own = "#e54695"
    assert page.evaluate(COLOURS, "CONSISTENTID_IDENTITY") == [own, own, own]


def test_a_view_that_nobody_moved_goes_beside_a_sidebar(page):
    page.load(read_workflow("mix_sd15"))
    opened = page.evaluate(VIEWED)
    page.evaluate(TOGGLE)
    page.wait_until("return app.canvas.ds.offset[0] > args[0] + 100;", opened["offset"][0])
    page.evaluate(TOGGLE)
    page.wait_until("return app.canvas.ds.offset[0] === args[0];", opened["offset"][0])
    page.evaluate("app.canvas.ds.offset[0] += 10;")
    moved = page.evaluate(VIEWED)
    page.evaluate(TOGGLE)
    page.wait_until("return document.querySelector('.side-bar-panel')?.getBoundingClientRect().width > 100;")
    page.evaluate("for (let pictures = 0; pictures < 10; pictures++) await new Promise(requestAnimationFrame);")
    assert page.evaluate(VIEWED) == moved
    page.evaluate(TOGGLE)


def check_view(page, workflow: dict) -> None:
    """The saved corner, larger than saved, since the tests' window is larger than the one it is saved for."""
    shown, saved = page.evaluate(VIEWED), workflow["extra"]["ds"]
    assert saved["scale"] < shown["scale"] <= 1
    corners = [[side * view["scale"] for side in view["offset"]] for view in (shown, saved)]
    assert corners[0] == pytest.approx(corners[1])


def lies_in_view(box: list[float], view: dict) -> bool:
    """Whether a node, as drawn, is in a window of 1366x768 when the workflow is opened."""
    (x, y), scale = view["offset"], view["scale"]
    left, top, right, bottom = ((side + by) * scale for side, by in zip(box, (x, y, x, y), strict=True))
    return left >= VIEW[0] and top >= VIEW[1] and right <= VIEW[2] + 1 and bottom <= VIEW[3] + 1


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
        assert prompt[id]["class_type"] == node["class_type"]
        assert {key: prompt[id]["inputs"][key] for key in node["inputs"]} == node["inputs"]
        declared = definitions[node["class_type"]]["input"].get("optional", {})
        for key in declared.keys() & prompt[id]["inputs"].keys() - node["inputs"].keys():
            assert prompt[id]["inputs"][key] == declared[key][1]["default"]
