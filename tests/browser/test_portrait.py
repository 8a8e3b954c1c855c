"""The portrait workflow is run in the editor: pictures appear, settings count, errors can be read."""

import numpy as np
import pytest
from drawn_nodes import find_overlaps, find_widget, list_boxes, list_pictures
from PIL import Image

from scripts.workflows.files import read_twin, read_workflow

pytestmark = pytest.mark.usefixtures("drawing")

SMALL = {
    "EmptyLatentImage": {"width": 64, "height": 96},
    "ConsistentID_Sampler": {"steps": 2, "start_merge_step": 0},
}
MODELS = 90
"""Id of the node that has the loaders in it, with their files."""
SHOWN = """
const words = [...document.querySelectorAll(".consistentid-word")].map((one) => one.textContent);
return document.querySelector(".consistentid-face") && words.length && words;
"""
LOADERS = {
    "CheckpointLoaderSimple": "ckpt_name",
    "CLIPVisionLoader": "clip_name",
    "ConsistentID_LoadAdapter": "adapter_name",
    "ConsistentID_LoadFaceAnalysis": "package",
    "ConsistentID_LoadFaceParser": "parser_name",
}


@pytest.fixture
def portrait(page, editor_server):
    """The page with portrait_sd15, stand-ins chosen, small and with two steps."""
    page.load(read_workflow("portrait_sd15"))
    for name, file in editor_server.standins.values():
        page.set_widget(MODELS, name, file)
    for kind, values in SMALL.items():
        for name, value in values.items():
            set_all(page, kind, name, value)
    return page


def test_a_run_shows_the_portrait_and_the_face_check_also_after_a_reload(portrait):
    run = portrait.queue()
    assert run["status"] == "success"
    assert list_pictures(portrait, ["Preview Image"])["Preview Image"] == [[96 + 64, 96]], "photo and portrait"
    portrait.show_all()
    assert portrait.wait_until(SHOWN) == ["face", "ears", "eyes", "nose", "mouth"]
    assert find_overlaps(list_boxes(portrait)) == [], "nodes have room for what they show"
    saved = portrait.save()
    portrait.reload()
    portrait.load(saved)
    assert portrait.wait_until(SHOWN) == ["face", "ears", "eyes", "nose", "mouth"], "from the server's history"
    assert list_pictures(portrait, ["Preview Image"])["Preview Image"] == [[96 + 64, 96]]


def test_a_setting_moved_with_the_mouse_gives_another_portrait(portrait, editor_server):
    """Dragging the weight of Apply ConsistentID to the left; the face is not searched again."""
    before = portrait.queue()
    (apply,) = portrait.find_nodes("ConsistentID_ApplyAdapter")
    drag(portrait, find_widget(portrait, apply, "weight"), -60)
    portrait.wait_until(
        "return graph.getNodeById(args[0]).widgets.find((w) => w.name === 'weight').value < 0.9;", apply
    )
    after = portrait.queue()
    assert (before["status"], after["status"]) == ("success", "success")
    one, other = (read_saved(portrait, editor_server, run) for run in (before, after))
    assert np.abs(one - other).max() > 2


def test_a_photo_without_a_face_is_explained_where_it_happens(portrait):
    set_all(portrait, "LoadImage", "image", "photo_3.png")
    run = portrait.queue()
    (detect,) = portrait.find_nodes("ConsistentID_DetectFace")
    assert (run["status"], int(run["detail"]["node_id"])) == ("error", detect)
    message = portrait.read_message("No face found", "lower the threshold")
    assert "ConsistentID_DetectFace" in message or "Detect Face" in message
    assert "Traceback" not in message and "execution.py" not in message


def test_models_that_are_not_there_are_named(page):
    page.load(read_workflow("portrait_sd15"))
    run = page.queue()
    assert run["status"] == "refused"
    loaders = {id for id, node in read_twin("portrait_sd15").items() if node["class_type"] in LOADERS}
    assert run["refused"].keys() == {f"{MODELS}:{id}" for id in loaders}
    files = {kind: page.read_widget(MODELS, field) for kind, field in LOADERS.items()}
    package = files.pop("ConsistentID_LoadFaceAnalysis")
    message = page.read_message(*files.values())
    assert package in message or "Models - package" in message, "newer editors name a folder by node and widget"


def set_all(page, kind: str, name: str, value) -> None:
    for node in page.find_nodes(kind):
        page.set_widget(node, name, value)


def drag(page, point: list[int], right_px: int) -> None:
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    mouse = ActionBuilder(page.driver)
    x, y = point
    mouse.pointer_action.move_to_location(x, y).pointer_down()
    for share in (0.25, 0.5, 0.75, 1):
        mouse.pointer_action.move_to_location(round(x + share * right_px), y)
    mouse.pointer_action.pointer_up()
    mouse.perform()


def read_saved(page, editor_server, run: dict) -> np.ndarray:
    """Pixels of the picture that a run saved, int [H, W, 3]."""
    (save,) = page.find_nodes("SaveImage")
    (image,) = run["outputs"][str(save)]["images"]
    return np.asarray(Image.open(editor_server.folder / "output" / image["filename"])).astype(int)
