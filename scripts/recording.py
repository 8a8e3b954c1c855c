"""`python -m scripts.recording FILE.webp`: a workflow opened and run in the real editor, as a moving picture.

By hand only. Needs a ComfyUI (COMFYUI_PATH, or the usual places), Chromium, chromedriver and the environment of
`python quickstart test`. Waiting is shortened: what does not move is shown for HELD_MS at most.
"""

import argparse
import base64
import io
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageChops

from quickstart.comfyui_folder import find_comfyui
from quickstart.comfyui_server import running_server
from quickstart.failure import Failure
from scripts.workflows.files import NAMES, read_workflow

VIEW_PX, SHOWN_PX = (1600, 900), (1200, 675)
BYTES = 2_000_000
HELD_MS, FIRST_MS, LAST_MS, CAMERA_MS = 600, 1200, 4000, 60
CAMERA_STEPS = 12
START_SECONDS, RUN_SECONDS = 180, 900
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Notification.ShowVersionUpdates": False,
    "Comfy.Window.UnloadConfirmation": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.UseNewMenu": "Top",
    "Comfy.Locale": "en",
    "Comfy.Graph.CanvasInfo": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,  # small words are drawn too; the older editors' setting is the next
    "LiteGraph.Canvas.LowQualityRenderingZoomThreshold": 0,
}
BUTTON = "document.querySelector(\"[data-testid='queue-button'] button, button[data-testid='queue-button']\")"
READY = f"""
return Boolean(window.app?.graph && app.api.clientId && app.api.socket?.readyState === WebSocket.OPEN && {BUTTON}
  && app.extensionManager.workflow?.activeWorkflow && LiteGraph.registered_node_types.ConsistentID_LoadAdapter);
"""
CLEAR = "app.extensionManager.sidebarTab.activeSidebarTabId = null; app.graph.clear();"
OPEN = """
const [graph, name, done] = arguments;
app.loadGraphData(graph, true, true, name).then(() => done(), (error) => done(String(error)));
"""
FIT = "app.extensionManager.command.execute('Comfy.Canvas.FitView');"
LOOK = """
const { ds, canvas } = app.canvas, node = app.graph.nodes.find((one) => one.type === "SaveImage");
window.begun ??= { scale: ds.scale, offset: [...ds.offset] };
const [width, height] = [canvas.width / devicePixelRatio, canvas.height / devicePixelRatio];
const shown = [node.size[0], Math.min(node.size[1], node.size[0] * 1.3) + 40]; // what is lower is empty
const scale = Math.min((0.8 * width) / shown[0], (0.8 * height) / shown[1]);
const offset = [width / scale / 2 - node.pos[0] - shown[0] / 2, height / scale / 2 - node.pos[1] + 30 - shown[1] / 2];
const between = (from, to) => from + (to - from) * arguments[0];
ds.scale = between(window.begun.scale, scale);
ds.offset = [0, 1].map((side) => between(window.begun.offset[side], offset[side]));
app.graph.setDirtyCanvas(true, true);
const done = arguments[1];
requestAnimationFrame(() => requestAnimationFrame(() => done()));
"""
POINT = f"""
for (const type of ["execution_success", "execution_error", "execution_interrupted"])
  app.api.addEventListener(type, () => {{ window.ended = type; }});
const dot = Object.assign(document.createElement("div"), {{ id: "pressed" }});
const {{ left, top, width, height }} = {BUTTON}.getBoundingClientRect();
dot.style.cssText = `position:fixed;z-index:99999;pointer-events:none;width:36px;height:36px;border-radius:50%;
  background:#fff8;border:2px solid #fff;left:${{left + width / 2 - 18}}px;top:${{top + height / 2 - 18}}px`;
document.body.append(dot);
"""
PRESS = f"document.getElementById('pressed').remove(); {BUTTON}.click();"


@dataclass
class Recording:
    """Frames of a page, each with how long it is shown; frames that are alike are one."""

    driver: Any
    frames: list[Image.Image]
    shown_ms: list[int]

    def take(self, shown_ms: int) -> None:
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        frame = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        frame = frame.resize(SHOWN_PX, Image.Resampling.LANCZOS)
        if self.frames and not ImageChops.difference(frame, self.frames[-1]).getbbox():
            self.shown_ms[-1] = min(self.shown_ms[-1] + shown_ms, max(HELD_MS, shown_ms))
        else:
            self.frames.append(frame)
            self.shown_ms.append(shown_ms)

    def save(self, path: Path) -> None:
        """An animated WebP, in the best quality that BYTES has room for."""
        first, *others = self.frames
        for quality in (80, 70, 60, 50, 40, 30):
            data = io.BytesIO()
            first.save(data, "WEBP", save_all=True, append_images=others, duration=self.shown_ms, loop=0,
                       quality=quality, method=4, minimize_size=True)  # fmt: skip
            if data.tell() <= BYTES:
                path.write_bytes(data.getvalue())
                return
        raise Failure(f"{len(self.frames)} frames have more than {BYTES} bytes at any quality.")


def record(workflow: str, address: str) -> Recording:
    with open_browser() as driver:
        driver.get(address)
        wait_until(driver, READY, START_SECONDS)
        driver.execute_script(CLEAR)
        time.sleep(2)  # the sidebar moves away
        recording = Recording(driver, [], [])
        recording.take(FIRST_MS)
        if error := driver.execute_async_script(OPEN, read_workflow(workflow), workflow):
            raise Failure(f"{workflow} could not be opened: {error}")
        driver.execute_script(FIT)
        time.sleep(2)
        recording.take(2 * FIRST_MS)
        driver.execute_script(POINT)
        recording.take(FIRST_MS)
        driver.execute_script(PRESS)
        follow(recording)
        return recording


def follow(recording: Recording) -> None:
    """Until the run has ended and its pictures are there, and then towards them."""
    until = time.monotonic() + RUN_SECONDS
    while not (ended := recording.driver.execute_script("return window.ended;")):
        if time.monotonic() > until:
            raise Failure(f"The run has not ended within {RUN_SECONDS} s.")
        recording.take(HELD_MS // 4)
    if ended != "execution_success":
        raise Failure(f"The run ended with {ended}.")
    time.sleep(3)
    recording.take(2 * FIRST_MS)
    for share in range(1, CAMERA_STEPS + 1):
        recording.driver.execute_async_script(LOOK, share / CAMERA_STEPS)
        recording.take(CAMERA_MS)
    recording.take(LAST_MS)


@contextmanager
def open_browser() -> Iterator:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        size = dict(zip(("width", "height"), VIEW_PX, strict=True))
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"deviceScaleFactor": 1, "mobile": False})
        yield driver
    finally:
        driver.quit()


def wait_until(driver, script: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not driver.execute_script(script):
        if time.monotonic() > until:
            raise Failure(f"The editor was not ready within {seconds} s.")
        time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description="Records a workflow that is opened and run in the editor.")
    parser.add_argument("file", type=Path, help="WebP to write")
    parser.add_argument("--workflow", default="small_portrait_zoo", choices=[n for n in NAMES if n.endswith("_zoo")])
    parser.add_argument("--comfyui", help="ComfyUI's folder (default: COMFYUI_PATH, or the usual places)")
    arguments = parser.parse_args()
    try:
        comfyui = find_comfyui(arguments.comfyui)
        if not comfyui:
            raise Failure("No ComfyUI found. Name one with --comfyui or COMFYUI_PATH.")
        with TemporaryDirectory() as name:
            folder = Path(name)
            settings = folder / "user" / "default" / "comfy.settings.json"
            settings.parent.mkdir(parents=True)
            settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
            with running_server(comfyui, [], True, folder) as address:
                recording = record(arguments.workflow, address)
        recording.save(arguments.file)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    seconds = sum(recording.shown_ms) / 1000
    print(f"{arguments.file}: {len(recording.frames)} frames, {seconds:.0f} s, {arguments.file.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
