"""The editor's templates: the host lists and serves every workflow with its picture, and the dialog shows them."""

import json
import urllib.request

import pytest

from scripts.workflows.files import NAMES

PACK = "comfyui-consistentid"
TILES = 3
"""How many the smallest window shows at once: the others are loaded as they come into view."""

# A busy editor may lose the first call, and opens with its own templates, also late, when a group is chosen already.
SHOW_GROUP = """
const inDialog = (tag) => [...document.querySelectorAll(`.p-dialog ${tag}, [role=dialog] ${tag}`)];
const isGroup = (element) => element.children.length === 0 && element.textContent.trim() === args[0];
if (!inDialog("*").length) await app.extensionManager.command.execute("Comfy.BrowseTemplates");
const pictures = inDialog("img").slice(0, args[2]);
if (pictures.length === args[2] && pictures.every((one) => args[1].includes(one.alt)))
  return pictures.every((one) => one.naturalWidth) && pictures.map((one) => one.alt);
inDialog("*").find(isGroup)?.click();
"""


def test_the_host_lists_every_workflow(editor_server):
    with urllib.request.urlopen(f"{editor_server.address}/api/workflow_templates") as answer:
        listed = json.load(answer)
    assert sorted(listed[PACK]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_host_serves_the_picture(name, editor_server):
    with urllib.request.urlopen(f"{editor_server.address}/api/workflow_templates/{PACK}/{name}.jpg") as answer:
        assert answer.status == 200 and answer.headers["Content-Type"] == "image/jpeg"
        assert answer.read(2) == b"\xff\xd8"


def test_the_dialog_shows_our_pictures(page):
    """First of all what needs no download."""
    small = [name for name in NAMES if name.endswith("_zoo") and name != "small_portrait_zoo"]
    shown = page.wait_until(SHOW_GROUP, PACK, NAMES, TILES)
    assert shown == ["small_portrait_zoo", *small][:TILES]
