"""Parse Face shows the regions of its last run, and a click on a region's name leaves it out."""

import pytest

pytestmark = pytest.mark.usefixtures("drawing")

NODE = "ConsistentID_ParseFace"
CHIPS = """
return [...document.querySelectorAll(".consistentid-chip")]
  .map((one) => [one.textContent, one.disabled ? "missing" : one.ariaPressed === "true" ? "taken" : "left out"]);
"""
CENTRE = "app.canvas.centerOnNode(app.canvas.graph.nodes[0]);"
UNDO = "await app.extensionManager.workflow.activeWorkflow.changeTracker.undo();"
INSERT_COPY = """
const copy = structuredClone([...graph.subgraphs.values()][0].asSerialisable());
copy.id = crypto.randomUUID();
copy.nodes[0].id = args[0];
graph.createSubgraph(copy).configure(copy);
"""
LAYERS = "return document.querySelectorAll('.consistentid-layer').length;"
REGIONS = [{"word": word, "colour": colour, "picture": {"filename": f"{word}.png", "type": "temp"}} for word, colour in
           (("face", "#8800ff"), ("eyes", "#ff0000"))]  # fmt: skip


def click_chip(page, word: str) -> None:
    place = [chip for chip, _ in page.evaluate(CHIPS)].index(word)
    page.click(f".consistentid-chip:nth-child({place + 1})")


def wait_for_chips(page, chips: list) -> None:
    page.wait_until(f"return JSON.stringify((() => {{ {CHIPS} }})()) === JSON.stringify(args[0]);", chips)


def go_to_a_new_tab_and_back(page) -> None:
    page.open_tab()
    wait_for_chips(page, [])
    page.go_to_first_tab()
    page.wait_until("return graph.nodes.length;")


@pytest.fixture
def parse(page, editor_server):
    """The id of a Parse Face for the whole test photo."""
    image, node = page.add_node("LoadImage", 100, 100), page.add_node(NODE, 500, 100)
    page.set_widget(image, "image", "photo.png")
    loader = page.add_node("ConsistentID_LoadFaceParser", 100, 600)
    page.set_widget(loader, *editor_server.standins["ConsistentID_LoadFaceParser"])
    page.connect(image, "IMAGE", node, "image")
    page.connect(loader, "face_parser", node, "face_parser")
    page.evaluate("app.canvas.centerOnNode(graph.getNodeById(args[0]));", node)
    return node


def test_a_click_on_a_region_leaves_it_out_of_the_next_run(page, parse):
    assert page.queue()["status"] == "success"
    page.find(".consistentid-chip")
    before, layers = dict(page.evaluate(CHIPS)), page.evaluate(LAYERS)
    found = [word for word, state in before.items() if state == "taken"]
    assert len(found) == layers >= 2, "each found region has a layer"
    missing = [word for word, state in before.items() if state == "missing"]
    titles = "return [...document.querySelectorAll('.consistentid-chip:disabled')].map((one) => one.title);"
    words = [word.removesuffix(": missing") for word in missing]
    assert page.evaluate(titles) == [f"The face parser found no {word} in this photo" for word in words]
    click_chip(page, found[1])
    click_chip(page, found[0])
    assert page.read_widget(parse, "left_out") == f"{found[1]}, {found[0]}"
    assert page.evaluate(LAYERS) == layers - 2
    click_chip(page, found[0])
    assert page.read_prompt()[str(parse)]["inputs"]["left_out"] == found[1]
    assert dict(page.evaluate(CHIPS)) == before | {found[1]: "left out"}
    again = page.queue()
    assert again["status"] == "success" and len(again["outputs"][str(parse)]["consistentid_regions"]) == 1
    assert dict(page.evaluate(CHIPS)) == before | {found[1]: "left out"}, "it can still be taken back"
    go_to_a_new_tab_and_back(page)
    wait_for_chips(page, [*map(list, (before | {found[1]: "left out"}).items())])
    assert page.evaluate(LAYERS) == layers - 1, "the tab shows it again"


def test_the_overlay_follows_what_is_typed_and_what_was_saved(page):
    node = page.add_node(NODE)
    photo = {"picture": {"filename": "photo.png", "type": "temp"}, "ratio": 1, "regions": REGIONS}
    show = "graph.getNodeById(args[0]).onExecuted({ consistentid_regions: [args[1]] });"
    page.evaluate(show, node, photo)
    page.set_widget(node, "left_out", " Eyes ,nose")
    wait_for_chips(page, [["face", "taken"], ["eyes", "left out"]])
    assert page.evaluate(LAYERS) == 1
    saved = page.save()
    assert saved["nodes"][0]["widgets_values"] == ["512", "auto", "first", False, False, " Eyes ,nose"]
    page.load(saved)
    wait_for_chips(page, [])
    page.evaluate(show, node, photo)
    wait_for_chips(page, [["face", "taken"], ["eyes", "left out"]])


def test_a_workflow_from_before_the_overlay_opens(page):
    page.add_node(NODE)
    saved = page.save()
    saved["nodes"][0]["widgets_values"] = ["1280", "head", "both", True, True]
    page.load(saved)
    (node,) = page.find_nodes(NODE)
    assert [page.read_widget(node, name) for name in ("side_px", "hair", "left_out")] == ["1280", True, ""]


def test_a_subgraph_with_the_same_node_ids_leaves_the_panels_outside_alone(page):
    node, other = page.add_node(NODE, 300, 200), page.add_node(NODE, 900, 200)
    photo = {"picture": {"filename": "photo.png", "type": "temp"}, "ratio": 1, "regions": REGIONS}
    page.evaluate("graph.getNodeById(args[0]).onExecuted({ consistentid_regions: [args[1]] });", node, photo)
    page.find(".consistentid-frame", before=lambda: page.evaluate(CENTRE))
    page.evaluate("graph.convertToSubgraph(new Set([graph.getNodeById(args[0])]));", other)
    page.evaluate(INSERT_COPY, node)
    assert len(page.evaluate(CHIPS)) == len(REGIONS)


def test_inside_a_subgraph_the_overlay_outlives_undo_and_a_change_of_tabs(page, parse):
    page.evaluate("graph.convertToSubgraph(new Set([graph.getNodeById(args[0])]));", parse)
    assert page.queue()["status"] == "success"
    page.enter_subgraph()
    page.find(".consistentid-chip", before=lambda: page.evaluate(CENTRE))
    before = page.evaluate(CHIPS)
    click_chip(page, "face")
    page.evaluate(UNDO)
    wait_for_chips(page, before)
    go_to_a_new_tab_and_back(page)
    page.enter_subgraph()
    wait_for_chips(page, before)
