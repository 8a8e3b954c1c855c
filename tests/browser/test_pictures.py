"""The pictures of the workflows are screenshots of the editor; `--pictures` takes them anew.

Each workflow runs up to its previews, with stand-ins; nothing is sampled, so that no noise is shown as a portrait.
Those of the small models run whole.
"""

import base64
import hashlib
import io
import json

import pytest
from PIL import Image

from scripts.workflows.files import NAMES, WORKFLOWS, list_nodes, read_twin, read_workflow

# What follows from these would be noise, or words that no model said.
NOT_RUN = ("ConsistentID_Sampler", "KSampler", "SamplerCustomAdvanced", "ConsistentID_LoadCaptioner")
WIDTH_PX = 1000
BYTES = 100_000
MARGIN_PX = 20
HIDDEN = {"Comfy.NodeBadge.NodeSourceBadgeMode": "None", "Comfy.NodeBadge.NodeIdBadgeMode": "None"}
# The graph from the top left corner, with the published files' names; the buttons that stay are right of it and below.
ARRANGE = """
for (const [id, values] of Object.entries(args[0]))
  for (const widget of graph.getNodeById(id)?.widgets ?? [])
    if (widget.name in values) widget.value = values[widget.name];
app.extensionManager.focusMode = true;
app.canvas.deselectAll();
app.canvas.ds.scale = 1;
app.canvas.ds.offset = [args[1], args[1]];
app.canvas.resize?.();
window.dispatchEvent(new Event("resize"));
graph.setDirtyCanvas(true, true);
await new Promise((resolve) => setTimeout(resolve, 1500));
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_shows_the_workflow_as_it_is(name, request):
    if request.config.getoption("--pictures", default=False):
        take_picture(name, request.getfixturevalue("page"), request.getfixturevalue("editor_server"))
    with Image.open(WORKFLOWS / f"{name}.jpg") as picture:
        assert picture.info.get("comment") == find_mark(name), "run: python -m pytest tests/browser --pictures"
        assert picture.width == WIDTH_PX


def find_mark(name: str) -> bytes:
    """What the picture of this workflow carries as its comment."""
    return hashlib.sha256(json.dumps(read_workflow(name), sort_keys=True).encode()).hexdigest().encode()


def take_picture(name: str, page, editor_server) -> None:
    page.open_with(HIDDEN)
    workflow = read_workflow(name)
    skipped = set() if name.endswith("_zoo") else find_followers(read_twin(name))
    for id, node in list_nodes(workflow).items():
        node["mode"] = 2 if id in skipped else 0
    page.load(workflow)
    for kind, (field, file) in editor_server.standins.items():
        for node in page.find_nodes(kind):
            page.set_widget(node, field, file)
    if not workflow.get("definitions"):  # the loaders of a subgraph are not at hand
        assert page.queue()["status"] == "success"
    page.evaluate("graph.nodes.forEach((node) => { node.mode = 0; });")
    values = {id: list_settings(node) for id, node in read_twin(name).items()}
    picture = photograph(page, values, find_corner(workflow))
    picture = picture.resize((WIDTH_PX, round(picture.height * WIDTH_PX / picture.width)), Image.Resampling.LANCZOS)
    save_small(picture, name)


def find_followers(twin: dict) -> set[str]:
    """Ids of the nodes that are not run, and of those that need them."""
    found = {id for id, node in twin.items() if node["class_type"] in NOT_RUN}
    while more := {id for id in twin.keys() - found if found & {str(v[0]) for v in list_links(twin[id])}}:
        found |= more
    return found


def list_links(node: dict) -> list[list]:
    return [value for value in node["inputs"].values() if isinstance(value, list)]


def list_settings(node: dict) -> dict:
    return {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}


def find_corner(workflow: dict) -> tuple[int, int]:
    """x, y of the lower right corner of all groups; the upper left one is at 0, 0."""
    boxes = [group["bounding"] for group in workflow["groups"]]
    return max(x + width for x, _, width, _ in boxes), max(y + height for _, y, _, height in boxes)


def photograph(page, values: dict, corner: tuple[int, int]) -> Image.Image:
    """The graph up to this corner at its full size. values: {node id: {widget: value to show}}."""
    width, height = (side + 2 * MARGIN_PX for side in corner)
    window = {"width": width + 4 * MARGIN_PX, "height": height + 4 * MARGIN_PX, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    try:
        page.evaluate(ARRANGE, values, MARGIN_PX)
        shot = page.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.evaluate("app.extensionManager.focusMode = false;")
    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    return picture.crop((0, 0, width, height))


def save_small(picture: Image.Image, name: str) -> None:
    """In the best quality that BYTES has room for."""
    for quality in range(90, 50, -5):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True, comment=find_mark(name))
        if file.tell() <= BYTES:
            (WORKFLOWS / f"{name}.jpg").write_bytes(file.getvalue())
            return
    raise AssertionError(f"{name}: more than {BYTES} bytes at any quality")
