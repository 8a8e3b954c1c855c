"""Detect Face shows the faces of its last run, and a click on one chooses it."""

import json

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("drawing")

NODE = "ConsistentID_DetectFace"
FACE = ".consistentid-face"
FACES = f"""
return [...document.querySelectorAll("{FACE}")].map((one) => {{
  const face = one.getBoundingClientRect(), photo = one.parentElement.querySelector("img").getBoundingClientRect();
  const x = (face.x + face.width / 2 - photo.x) / photo.width, y = (face.y + face.height / 2 - photo.y) / photo.height;
  return {{ title: one.title, chosen: one.ariaPressed === "true", x, y }};
}});
"""
LOADED = """
const pictures = [...document.querySelectorAll(".consistentid-frame img")];
return Boolean(pictures.length && pictures.every((one) => one.complete && one.naturalWidth && one.clientWidth));
"""
OWN_SIZES = "graph.serialize().nodes.filter((n) => n.type.startsWith('ConsistentID')).map((n) => n.size)"
UNDO = "await app.extensionManager.workflow.activeWorkflow.changeTracker.undo();"


@pytest.fixture
def detect(page, editor_server):
    """A page with two people in the photo of Detect Face, and the node's id."""
    folder = editor_server.folder / "input"
    photo = np.asarray(Image.open(folder / "photo.png"))
    Image.fromarray(np.hstack([photo, photo])).save(folder / "twice.png")
    image, node = page.add_node("LoadImage", 100, 100), page.add_node(NODE, 500, 100)
    page.evaluate("const one = graph.getNodeById(args[0]).widgets[0]; one.options.values.push('twice.png');", image)
    page.set_widget(image, "image", "twice.png")
    loader = page.add_node("ConsistentID_LoadFaceAnalysis", 100, 600)
    page.set_widget(loader, *editor_server.standins["ConsistentID_LoadFaceAnalysis"])
    page.connect(image, "IMAGE", node, "image")
    page.connect(loader, "face_analysis", node, "face_analysis")
    page.evaluate("app.canvas.centerOnNode(graph.getNodeById(args[0]));", node)
    return page, node


def read_choice(page, node) -> tuple:
    return page.read_widget(node, "select"), page.read_widget(node, "index")


def list_chosen(page) -> list[bool]:
    return [face["chosen"] for face in page.evaluate(FACES)]


def test_a_click_on_a_face_chooses_it_and_undo_takes_it_back(detect):
    page, node = detect
    before = page.save()
    assert not page.evaluate(f"return Boolean(document.querySelector('{FACE}'));"), "nothing is shown before a run"
    assert page.queue()["status"] == "success"
    page.wait_until(LOADED)
    left, right = page.evaluate(FACES)
    assert (left["x"], right["x"]) == pytest.approx((0.22, 0.72), abs=0.01)
    assert (left["y"], right["y"]) == pytest.approx((0.24, 0.24), abs=0.02)
    assert left["title"] == "Face 0 of 2, left to right from 0: score 1.00" and list_chosen(page) == [True, False]
    page.wait_until(f"return JSON.stringify({OWN_SIZES}) === args[0];", sizes_of(before))
    assert saved_values(page.save()) == saved_values(before), "results are no part of the workflow"

    page.click(f"{FACE}[title^='Face 1']")
    assert read_choice(page, node) == ("left to right", 1) and list_chosen(page) == [False, True]
    inputs = page.read_prompt()[str(node)]["inputs"]
    assert (inputs["select"], inputs["index"]) == ("left to right", 1)
    page.evaluate(UNDO)
    page.wait_until("return graph.getNodeById(args[0]).widgets[0].value === 'largest';", node)
    page.wait_until(f"return document.querySelectorAll('{FACE}').length === 2;")
    assert read_choice(page, node) == ("largest", 0) and list_chosen(page) == [True, False]
    page.click(f"{FACE}[title^='Face 1']")
    assert read_choice(page, node) == ("left to right", 1), "the faces shown after undo are those of the new node"


def test_faces_follow_the_widgets_and_the_keyboard(detect):
    from selenium.webdriver.common.keys import Keys

    page, node = detect
    assert page.queue()["status"] == "success"
    page.wait_until(LOADED)
    page.set_widget(node, "index", 1)
    assert list_chosen(page) == [False, True]
    page.set_widget(node, "select", "all, left to right")
    assert list_chosen(page) == [True, True]
    page.find(f"{FACE}[title^='Face 0']").send_keys(Keys.ENTER)
    assert read_choice(page, node) == ("left to right", 0) and list_chosen(page) == [True, False]


def test_several_photos_have_a_pager_and_text_stays_text(page):
    node = page.add_node(NODE)
    about = "<img src=x onerror=window.hacked=1>"
    photo = {"picture": {"filename": "none.png", "type": "temp"}, "ratio": 1, "orders": {}, "colours": ["red", "blue"]}
    photos = [{**photo, "faces": [{"box": [0, 0, 0.5, 0.5], "about": about}]}, {**photo, "faces": []}]
    page.evaluate("graph.getNodeById(args[0]).onExecuted({ consistentid_faces: args[1] });", node, photos)
    assert page.find(FACE).get_attribute("title").endswith(about)
    page.click(".consistentid-turn[title='next']")
    assert page.find(".consistentid-page").text == "2 / 2"
    assert page.find(".consistentid-hint").text == "No face found in this photo."
    assert page.evaluate("return window.hacked ?? null;") is None


def test_the_panel_speaks_chinese(page):
    page.open_with({"Comfy.Locale": "zh"})
    node = page.add_node(NODE)
    photo = {"picture": {"filename": "none.png", "type": "temp"}, "ratio": 1, "orders": {}, "colours": ["red", "blue"]}
    page.evaluate(
        "graph.getNodeById(args[0]).onExecuted({ consistentid_faces: [args[1]] });", node, photo | {"faces": []}
    )
    assert page.find(".consistentid-hint").text == "这张照片里没有找到人脸。"


def sizes_of(workflow) -> str:
    """Of this pack's nodes: LoadImage grows by itself when its picture is there."""
    own = [node["size"] for node in workflow["nodes"] if node["type"].startswith("ConsistentID")]
    return json.dumps(own, separators=(",", ":"))


def saved_values(workflow) -> list:
    return [(node["type"], node["widgets_values"]) for node in workflow["nodes"]]
