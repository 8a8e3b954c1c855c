"""The models panel as a user meets it, with a server of files in the place of Hugging Face."""

import hashlib
import importlib.util
import json
import re
import sys
import threading

import pytest
from editor_server import SETTINGS, EditorServer
from workflow_files import ROOT

spec = importlib.util.spec_from_file_location("file_server", ROOT / "tests" / "core" / "file_server.py")
file_server = sys.modules["file_server"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(file_server)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = bytes(range(256)) * 4000
ADAPTER = "ConsistentID_SDXL-v1.bin"
CHECKPOINT = "RealVisXL_V4.0.safetensors"
PANEL = ".consistentid-models"

LIGHTNESS = """
const average = (colour) => colour.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
const panel = document.querySelector(args[0]);
let behind = panel;
while (getComputedStyle(behind).backgroundColor.endsWith(", 0)")) behind = behind.parentElement;
return [getComputedStyle(panel).color, getComputedStyle(behind).backgroundColor].map(average);
"""


class Creep:
    """A fault: half of the file comes, and the rest when `go_on` is set."""

    def __init__(self):
        self.go_on = threading.Event()

    def __call__(self, handler, served):
        body, code, headers = handler.choose_part(served)
        handler.send(code, body[: len(body) // 2], headers, length=len(body))
        self.go_on.wait(30)
        try:
            handler.wfile.write(body[len(body) // 2 :])
        except ConnectionError:
            handler.close_connection = True


@pytest.fixture(scope="module")
def hub():
    """Has the SDXL adapter and checkpoint, and an SD1.5 adapter that is not the known one."""
    with file_server.serve() as files:
        for repository, name in (
            ("JackAILab/ConsistentID", ADAPTER),
            ("JackAILab/ConsistentID", "ConsistentID-v1.bin"),
            ("SG161222/RealVisXL_V4.0", CHECKPOINT),
        ):
            etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
            head = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(CONTENT)), "X-Linked-Etag": etag}
            for revision in ("main", COMMIT):
                files[f"/{repository}/resolve/{revision}/{name}"] = file_server.Served(CONTENT, head=head)
        yield files


@pytest.fixture(scope="module")
def editor_server(comfyui, hub, tmp_path_factory):
    """A ComfyUI that was just installed: it has no models."""
    folder = tmp_path_factory.mktemp("new")
    settings = folder / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "quickstart"))
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        import comfyui_server

        with comfyui_server.running_server(comfyui, [], True, folder) as address:
            yield EditorServer(address, folder, {})


@pytest.fixture
def models(editor_server):
    return editor_server.folder / "models"


@pytest.fixture
def panel(page):
    """The editor with the panel open."""
    open_panel(page)
    return page


def open_panel(page) -> None:
    page.evaluate("await app.extensionManager.command.execute('ConsistentID.ShowModels');")
    page.find(f"{PANEL} li[data-model=captioner]")


def find(page, id: str, part: str):
    return page.find(f"{PANEL} li[data-model={id}] {part}")


def wait_for_state(page, id: str, state: str) -> str:
    """The row's text, as soon as the row is in this state."""
    row = f"document.querySelector('{PANEL} li[data-model={id}]')"
    return page.wait_until(
        f"const row = {row}; return row.dataset.state === args[0] && row.innerText;", state, seconds=20
    )


def press_download(page, id: str) -> None:
    find(page, id, ".consistentid-model-download").click()


def test_a_new_user_sees_what_is_missing(panel):
    text = panel.find(PANEL).text
    assert "SD1.5: 4 missing, at least 2.9 GB" in text and "SDXL: 4 missing, at least 2.9 GB" in text
    headings = panel.evaluate(
        "return [...document.querySelectorAll('.consistentid-models h3')].map((h) => h.innerText);"
    )
    assert headings == ["For SD1.5 and SDXL", "For SD1.5", "For SDXL", "Optional"]
    row = wait_for_state(panel, "clip_vision", "missing")
    assert "Missing · 2.5 GB" in row and "MIT, as stated by open_clip" in row
    assert "Goes to models/clip_vision/CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors" in row
    link = find(panel, "clip_vision", "a")
    assert link.get_attribute("href") == "https://huggingface.co/h94/IP-Adapter"
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    assert "drive.google.com" in wait_for_state(panel, "face2diffusion", "missing")


def test_a_download_needs_the_licence_shows_progress_and_reaches_the_loaders(panel, models, hub):
    loader = panel.add_node("ConsistentID_LoadAdapter")
    creep = Creep()
    hub[f"/JackAILab/ConsistentID/resolve/{COMMIT}/{ADAPTER}"].faults = [creep]
    button = find(panel, "adapter_sdxl", ".consistentid-model-download")
    assert not button.is_enabled()
    find(panel, "adapter_sdxl", "input").click()
    button.click()
    try:
        half = panel.wait_until(
            f"const row = document.querySelector('{PANEL} li[data-model=adapter_sdxl]');"
            "return row.querySelector('progress').value >= 0.4 && row.innerText;"
        )
        panel.screenshot("models panel downloading")
    finally:
        creep.go_on.set()
    assert re.search(rf"{ADAPTER}: (4|5)\d\d kB of 1 MB", half), half
    row = wait_for_state(panel, "adapter_sdxl", "found")
    assert f"At models/consistentid/{ADAPTER}" in row and "Found · 1 MB" in row
    assert (models / "consistentid" / ADAPTER).read_bytes() == CONTENT
    offered = "graph.getNodeById(args[0]).widgets[0].options.values"
    panel.wait_until(f"return {offered}.includes(args[1]);", loader, ADAPTER)


def test_a_stopped_download_goes_on_later(panel, models, hub):
    address = f"/SG161222/RealVisXL_V4.0/resolve/{COMMIT}/{CHECKPOINT}"
    creep = Creep()
    hub[address].faults = [creep]
    find(panel, "checkpoint_sdxl", "input").click()
    press_download(panel, "checkpoint_sdxl")
    panel.wait_until(f"return document.querySelector('{PANEL} li[data-model=checkpoint_sdxl] progress').value > 0;")
    find(panel, "checkpoint_sdxl", ".consistentid-model-cancel").click()
    wait_for_state(panel, "checkpoint_sdxl", "stopping")
    creep.go_on.set()
    wait_for_state(panel, "checkpoint_sdxl", "missing")
    names = [path.name for path in (models / "checkpoints").iterdir()]
    assert f"{CHECKPOINT}.partial" in names and CHECKPOINT not in names
    press_download(panel, "checkpoint_sdxl")
    wait_for_state(panel, "checkpoint_sdxl", "found")
    assert (models / "checkpoints" / CHECKPOINT).read_bytes() == CONTENT
    assert hub.ranges(address)[-1].startswith("bytes=")


def test_a_download_that_ends_while_the_panel_is_closed_reaches_the_loaders(panel, models, hub):
    loader = panel.add_node("ConsistentID_LoadAdapter")
    (models / "consistentid" / ADAPTER).unlink(missing_ok=True)
    panel.evaluate("await app.extensionManager.command.execute('Comfy.RefreshNodeDefinitions');")
    offered = "graph.getNodeById(args[0]).widgets[0].options.values"
    assert not panel.evaluate(f"return {offered}.includes(args[1]);", loader, ADAPTER)
    panel.find(f"{PANEL} > button").click()
    wait_for_state(panel, "adapter_sdxl", "missing")
    creep = Creep()
    hub[f"/JackAILab/ConsistentID/resolve/{COMMIT}/{ADAPTER}"].faults = [creep]
    press_download(panel, "adapter_sdxl")
    wait_for_state(panel, "adapter_sdxl", "downloading")
    panel.evaluate("await app.extensionManager.command.execute('ConsistentID.ShowModels');")
    panel.wait_until(f"return !document.querySelector('{PANEL}');")
    creep.go_on.set()
    panel.wait_until(f"return {offered}.includes(args[1]);", loader, ADAPTER)


def test_a_download_that_ends_before_it_is_asked_for_is_seen(panel, models):
    (models / "consistentid" / ADAPTER).unlink(missing_ok=True)
    panel.find(f"{PANEL} > button").click()
    wait_for_state(panel, "adapter_sdxl", "missing")
    panel.evaluate(
        "const ask = app.api.fetchApi;"
        "app.api.fetchApi = async (path, ...rest) => {"
        "  if (path === '/consistentid/downloads') await new Promise((resolve) => setTimeout(resolve, 1500));"
        "  return ask.call(app.api, path, ...rest);"
        "};"
    )
    press_download(panel, "adapter_sdxl")
    try:
        wait_for_state(panel, "adapter_sdxl", "found")
    finally:
        panel.evaluate("delete app.api.fetchApi;")


def test_a_file_of_the_wrong_size_is_named_and_no_download_offered_that_cannot_work(panel, models):
    file = models / "facexlib" / "parsing_bisenet.pth"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    try:
        panel.find(f"{PANEL} > button").click()
        row = wait_for_state(panel, "face_parser", "wrong size")
    finally:
        file.unlink()
    assert "1 bytes instead of 53,289,463. Delete or rename it" in row and "Download" not in row
    assert "SD1.5: 4 missing" in panel.find(PANEL).text


def test_a_failure_says_what_is_wrong_and_offers_another_try(panel, models):
    find(panel, "adapter_sd15", "input").click()
    press_download(panel, "adapter_sd15")
    row = wait_for_state(panel, "adapter_sd15", "failed")
    assert "has the hash" in row and "instead of 48cd9faa" in row and "Try again" in row
    assert not (models / "consistentid/ConsistentID-v1.bin").exists()


@pytest.fixture
def replace_answers(panel):
    """Have a function (the server's answer) => Response, or one that throws, answer when the panel asks for models."""

    def replace(change: str) -> None:
        panel.evaluate(
            "const ask = app.api.fetchApi, change = (0, eval)(args[0]);"
            "app.api.fetchApi = async (path, ...rest) => {"
            "  const answer = await ask.call(app.api, path, ...rest);"
            "  return path === '/consistentid/models' ? change(await answer.json()) : answer;"
            "};",
            change,
        )

    yield replace
    panel.evaluate("delete app.api.fetchApi;")


def test_texts_of_the_server_are_never_markup(panel, replace_answers):
    panel.open()  # rows are made once
    replace_answers(
        "({ models }) => { for (const model of models)"
        "  for (const name of ['title', 'purpose', 'licence', 'consequence', 'path', 'problem', 'by_hand'])"
        "    model[name] = '<img src=x onerror=alert(1)>';"
        "  return new Response(JSON.stringify({ models })); }"
    )
    open_panel(panel)
    assert panel.find(PANEL).text.count("<img src=x") > 50
    assert panel.evaluate(f"return document.querySelectorAll('{PANEL} img').length;") == 0


def test_a_server_that_is_gone_is_named_until_it_is_back(panel, replace_answers):
    replace_answers("() => { throw new TypeError('Failed to fetch'); }")
    panel.find(f"{PANEL} > button").click()
    status = f"document.querySelector('{PANEL} [role=status]').textContent"
    panel.wait_until(f"return {status}.includes('ComfyUI does not answer');")
    panel.evaluate("delete app.api.fetchApi;")
    panel.find(f"{PANEL} > button").click()
    panel.wait_until(f"return {status} === '';")


def test_the_panel_speaks_chinese_and_fits_a_light_theme(panel):
    panel.change_setting("Comfy.ColorPalette", "light")
    panel.change_setting("Comfy.Locale", "zh")
    panel.open()
    open_panel(panel)
    text = panel.find(PANEL).text
    assert "ConsistentID 模型" in text and "缺失" in text and "Missing" not in text
    fore, back = panel.evaluate(LIGHTNESS, PANEL)
    assert back > 150 and back - fore > 100
