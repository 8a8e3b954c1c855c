"""The pictures of the workflows are screenshots of the editor; `--pictures` takes them anew.

Those of the small models have run; the others have not, so that no noise of stand-ins is shown as a portrait.
"""

import base64
import hashlib
import io
import json

import pytest
from PIL import Image

from scripts.workflows.files import NAMES, WORKFLOWS, read_workflow

WIDTH_PX = 1000
BYTES = 100_000
MARGIN_PX = 20
HIDDEN = {"Comfy.NodeBadge.NodeSourceBadgeMode": "None", "Comfy.NodeBadge.NodeIdBadgeMode": "None"}
# The graph from the top left corner; the buttons that stay are right of it and below.
ARRANGE = """
app.extensionManager.focusMode = true;
app.canvas.deselectAll();
app.canvas.ds.scale = 1;
app.canvas.ds.offset = [args[0], args[0]];
app.canvas.resize?.();
window.dispatchEvent(new Event("resize"));
graph.setDirtyCanvas(true, true);
await new Promise((resolve) => setTimeout(resolve, 1500));
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_shows_the_workflow_as_it_is(name, request):
    if request.config.getoption("--pictures", default=False):
        take_picture(name, request.getfixturevalue("page"))
    with Image.open(WORKFLOWS / f"{name}.jpg") as picture:
        assert picture.info.get("comment") == find_mark(name), "run: python -m pytest tests/browser --pictures"
        assert picture.width == WIDTH_PX


def find_mark(name: str) -> bytes:
    """What the picture of this workflow carries as its comment."""
    return hashlib.sha256(json.dumps(read_workflow(name), sort_keys=True).encode()).hexdigest().encode()


def take_picture(name: str, page) -> None:
    page.open_with(HIDDEN)
    workflow = read_workflow(name)
    page.load(workflow)
    if name.endswith("_zoo"):
        assert page.queue()["status"] == "success"
    picture = photograph(page, find_corner(workflow))
    picture = picture.resize((WIDTH_PX, round(picture.height * WIDTH_PX / picture.width)), Image.Resampling.LANCZOS)
    save_small(picture, name)


def find_corner(workflow: dict) -> tuple[int, int]:
    """x, y of the lower right corner of all groups; the upper left one is at 0, 0."""
    boxes = [group["bounding"] for group in workflow["groups"]]
    return max(x + width for x, _, width, _ in boxes), max(y + height for _, y, _, height in boxes)


def photograph(page, corner: tuple[int, int]) -> Image.Image:
    """The graph up to this corner at its full size."""
    width, height = (side + 2 * MARGIN_PX for side in corner)
    window = {"width": width + 4 * MARGIN_PX, "height": height + 4 * MARGIN_PX, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    try:
        page.evaluate(ARRANGE, MARGIN_PX)
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
