"""The models panel as a user meets it, with a server of files in the place of Hugging Face."""

import json
import re
from pathlib import Path

import pytest
from download_hub import ADAPTER, ADAPTER_FILE, CHECKPOINT, CHECKPOINT_FILE, CONTENT, Creep, end_downloads, serve_hub
from editor_server import SETTINGS, EditorServer

from quickstart.comfyui_server import running_server
from scripts.workflows.files import read_workflow

PANEL = ".consistentid-models"
ROW = f"const row = document.querySelector(`{PANEL} li[data-model=${{args[0]}}]`);"
OFFERED = "return graph.getNodeById(args[0]).widgets[0].options.values"
# Answers the page's questions after downloads only when none runs.
HOLD_ANSWERS = """
const ask = app.api.fetchApi;
app.api.fetchApi = async (path, ...rest) => {
  const answer = await ask.call(app.api, path, ...rest);
  if (path !== "/consistentid/downloads") return answer;
  const { downloads } = await answer.clone().json();
  if (Object.values(downloads).every(({ state }) => state === "failed")) return answer;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return app.api.fetchApi(path, ...rest);
};
"""
# Downloads are noted in place of begun; the first one's licence then counts as accepted.
KEEP_DOWNLOADS = """
const ask = app.api.fetchApi;
window.asked = [];
app.api.fetchApi = async (path, ...rest) => {
  if (path === "/consistentid/download") {
    window.asked.push(JSON.parse(rest[0].body));
    return new Response("{}");
  }
  const answer = await ask.call(app.api, path, ...rest);
  if (path !== "/consistentid/models") return answer;
  const { models } = await answer.json();
  for (const model of models) model.accepted ||= window.asked.some((one) => one.model === model.id);
  return new Response(JSON.stringify({ models }));
};
"""
LIGHTNESS = """
const average = (colour) => colour.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
const panel = document.querySelector(args[0]);
let behind = panel;
while (getComputedStyle(behind).backgroundColor.endsWith(", 0)")) behind = behind.parentElement;
return [getComputedStyle(panel).color, getComputedStyle(behind).backgroundColor].map(average);
"""


@pytest.fixture(scope="module")
def hub():
    with serve_hub() as files:
        yield files


@pytest.fixture(scope="module")
def editor_server(comfyui, hub, tmp_path_factory):
    """A ComfyUI that was just installed: it has no models."""
    folder = tmp_path_factory.mktemp("new")
    settings = folder / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        with running_server(comfyui, [], True, folder) as address:
            yield EditorServer(address, folder, {})


@pytest.fixture
def models(editor_server):
    return editor_server.folder / "models"


@pytest.fixture
def creep(hub):
    """Have the next download of a file of the hub come as a Creep: creep(path)."""
    made = []

    def add(path: str) -> Creep:
        made.append(Creep())
        hub[path].faults = [made[-1]]
        return made[-1]

    yield add
    for one in made:
        one.go_on.set()


@pytest.fixture
def new_page(page, models, hub):
    """The page of someone who has downloaded nothing and agreed to nothing."""
    for served in hub.values():
        served.faults = []
    hub.asked.clear()
    end_downloads(page.address)
    for path in filter(Path.is_file, models.rglob("*")):
        path.unlink(missing_ok=True)
    page.open()
    return page


@pytest.fixture
def panel(new_page):
    """Such a page with the panel open."""
    open_panel(new_page)
    return new_page


def open_panel(page) -> None:
    page.evaluate("await app.extensionManager.command.execute('ConsistentID.ShowModels');")
    page.find(f"{PANEL} li[data-model=captioner][data-state]")


def refresh(page) -> None:
    page.click(f"{PANEL} > button")


def name_part(id: str, part: str) -> str:
    return f"{PANEL} li[data-model={id}] {part}"


def wait_for_state(page, id: str, state: str) -> str:
    """The row's text, as soon as the row is in this state."""
    return page.wait_until(f"{ROW} return row.dataset.state === args[1] && row.innerText;", id, state)


def wait_for_half(page, id: str) -> str:
    """The row's text, as soon as the first half of the file has come."""
    return page.wait_until(f"{ROW} return row.querySelector('progress').value >= 0.4 && row.innerText;", id)


def accept(page, id: str) -> None:
    page.click(name_part(id, "input"))


def press_download(page, id: str) -> None:
    page.click(name_part(id, ".consistentid-model-download"))


def test_a_new_user_sees_what_is_missing(panel):
    text = panel.find(PANEL).text
    assert "SD1.5: 4 missing, at least 2.9 GB" in text and "SDXL: 4 missing, at least 2.9 GB" in text
    assert "at least 2.9 GB, in 3 folders, besides a checkpoint" in text
    headings = panel.evaluate(
        "return [...document.querySelectorAll('.consistentid-models h3')].map((h) => h.innerText);"
    )
    assert headings == ["For SD1.5 and SDXL", "For SD1.5", "For SDXL", "Optional"]
    row = wait_for_state(panel, "clip_vision", "missing")
    assert "Missing · 2.5 GB" in row and "MIT, as stated by open_clip" in row
    assert "Goes to models/clip_vision/CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors" in row
    link = panel.find(name_part("clip_vision", "a"))
    assert link.get_attribute("href") == "https://huggingface.co/h94/IP-Adapter"
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    assert "drive.google.com" in wait_for_state(panel, "face2diffusion", "missing")


def test_a_download_needs_the_licence_shows_progress_and_reaches_the_loaders(panel, models, creep):
    loader = panel.add_node("ConsistentID_LoadAdapter")
    rest = creep(ADAPTER_FILE)
    assert not panel.find(name_part("adapter_sdxl", ".consistentid-model-download")).is_enabled()
    accept(panel, "adapter_sdxl")
    press_download(panel, "adapter_sdxl")
    half = wait_for_half(panel, "adapter_sdxl")
    panel.screenshot("models panel downloading")
    rest.go_on.set()
    assert re.search(rf"{ADAPTER}: (4|5)\d\d kB of 1 MB", half), half
    row = wait_for_state(panel, "adapter_sdxl", "found")
    assert f"At models/consistentid/{ADAPTER}" in row and "Found · 1 MB" in row
    assert (models / "consistentid" / ADAPTER).read_bytes() == CONTENT
    panel.wait_until(f"{OFFERED}.includes(args[1]);", loader, ADAPTER)


def test_one_button_asks_for_all_that_a_base_lacks(panel):
    """What is asked for is kept here: nothing of it is to come from the internet."""
    total = f"{PANEL} .consistentid-models-total:nth-of-type(2)"
    assert not panel.find(f"{total} button").is_enabled()
    terms = panel.read_text(total, "I accept these licences: MIT (model card)", "non-commercial research only")
    assert terms.startswith("SDXL: 4 missing") and terms.endswith("Download all for SDXL")
    panel.evaluate(KEEP_DOWNLOADS)
    panel.click(f"{total} input")
    panel.click(f"{total} button")
    asked = panel.wait_until("return window.asked.length === 4 && window.asked;")
    panel.evaluate("delete app.api.fetchApi;")
    assert [one["model"] for one in asked] == ["adapter_sdxl", "face_parser", "clip_vision", "face_analysis"]
    assert all(one["accept_licence"] for one in asked)


def test_a_run_that_lacks_a_model_opens_the_panel(new_page):
    loader, watch = new_page.add_node("ConsistentID_LoadAdapter"), new_page.add_node("PreviewAny", 600, 100)
    new_page.set_widget(loader, "adapter_name", "ConsistentID-v1.bin")
    new_page.connect(loader, "adapter", watch, "source")
    for _ in range(2):  # it stays open, too
        new_page.evaluate("await app.queuePrompt(0, 1);")
        told = new_page.read_text(PANEL, "SD1.5: 4 missing", "Download all for SD1.5")
        assert "The workflow needs model files that are missing. Download them here, then run it again." in told


def test_a_workflow_of_this_pack_whose_models_are_missing_opens_the_panel(new_page):
    switch = "await app.extensionManager.setting.set('Comfy.Workflow.ShowMissingModelsWarning', args[0]);"
    shown = f"return Boolean(document.querySelector('{PANEL}'));"
    workflow = read_workflow("portrait_sd15")
    new_page.load(workflow)
    new_page.evaluate(switch, True)
    new_page.load({**workflow, "extra": {}})
    assert not new_page.evaluate(shown), "nothing for those who want no warning, and for workflows of others"
    new_page.load(workflow)
    new_page.read_text(PANEL, "This workflow needs model files that are missing. Download them here.")
    new_page.evaluate(switch, False)


def test_a_stopped_download_goes_on_later(panel, models, hub, creep):
    rest = creep(CHECKPOINT_FILE)
    accept(panel, "checkpoint_sdxl")
    press_download(panel, "checkpoint_sdxl")
    wait_for_half(panel, "checkpoint_sdxl")
    panel.click(name_part("checkpoint_sdxl", ".consistentid-model-cancel"))
    wait_for_state(panel, "checkpoint_sdxl", "missing")  # also while the server sends nothing
    rest.go_on.set()
    names = [path.name for path in (models / "checkpoints").iterdir()]
    assert f"{CHECKPOINT}.partial" in names and CHECKPOINT not in names
    press_download(panel, "checkpoint_sdxl")
    wait_for_state(panel, "checkpoint_sdxl", "found")
    assert (models / "checkpoints" / CHECKPOINT).read_bytes() == CONTENT
    assert hub.ranges(CHECKPOINT_FILE)[-1].startswith("bytes=")


def test_a_download_that_ends_while_the_panel_is_closed_reaches_the_loaders(panel, creep):
    loader = panel.add_node("ConsistentID_LoadAdapter")
    assert not panel.evaluate(f"{OFFERED}.includes(args[1]);", loader, ADAPTER)
    rest = creep(ADAPTER_FILE)
    accept(panel, "adapter_sdxl")
    press_download(panel, "adapter_sdxl")
    wait_for_state(panel, "adapter_sdxl", "downloading")
    panel.evaluate("await app.extensionManager.command.execute('ConsistentID.ShowModels');")
    panel.wait_until(f"return !document.querySelector('{PANEL}');")
    rest.go_on.set()
    panel.wait_until(f"{OFFERED}.includes(args[1]);", loader, ADAPTER)


def test_a_download_that_ends_before_it_is_asked_for_is_seen(panel):
    accept(panel, "adapter_sdxl")
    panel.evaluate(HOLD_ANSWERS)
    press_download(panel, "adapter_sdxl")
    wait_for_state(panel, "adapter_sdxl", "found")


def test_a_file_of_the_wrong_size_is_named_and_no_download_offered_that_cannot_work(panel, models):
    file = models / "facexlib" / "parsing_bisenet.pth"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"x")
    refresh(panel)
    row = wait_for_state(panel, "face_parser", "wrong size")
    assert "1 bytes instead of 53,289,463. Delete or rename it" in row and "Download" not in row
    assert "SD1.5: 4 missing" in panel.find(PANEL).text


def test_a_failure_says_what_is_wrong_and_offers_another_try(panel, models):
    accept(panel, "adapter_sd15")
    press_download(panel, "adapter_sd15")
    row = wait_for_state(panel, "adapter_sd15", "failed")
    assert "has the hash" in row and "instead of 48cd9faa" in row and "Try again" in row
    assert not (models / "consistentid/ConsistentID-v1.bin").exists()


@pytest.fixture
def replace_answers(new_page):
    """Have a function (the server's answer) => Response, or one that throws, answer when the panel asks for models."""

    def replace(change: str) -> None:
        new_page.evaluate(
            "const ask = app.api.fetchApi, change = (0, eval)(args[0]);"
            "app.api.fetchApi = async (path, ...rest) => {"
            "  const answer = await ask.call(app.api, path, ...rest);"
            "  return path === '/consistentid/models' ? change(await answer.json()) : answer;"
            "};",
            change,
        )

    yield replace
    new_page.evaluate("delete app.api.fetchApi;")


def test_texts_of_the_server_are_never_markup(new_page, replace_answers):
    replace_answers(
        "({ models }) => { for (const model of models)"
        "  for (const name of ['title', 'purpose', 'licence', 'consequence', 'path', 'problem', 'by_hand'])"
        "    model[name] = '<img src=x onerror=alert(1)>';"
        "  return new Response(JSON.stringify({ models })); }"
    )
    open_panel(new_page)
    assert new_page.find(PANEL).text.count("<img src=x") > 50
    assert new_page.evaluate(f"return document.querySelectorAll('{PANEL} img').length;") == 0


def test_a_server_that_is_gone_is_named_until_it_is_back(panel, replace_answers):
    replace_answers("() => { throw new TypeError('Failed to fetch'); }")
    refresh(panel)
    status = f"document.querySelector('{PANEL} [role=status]').textContent"
    panel.wait_until(f"return {status}.includes('ComfyUI does not answer');")
    panel.evaluate("delete app.api.fetchApi;")
    refresh(panel)
    panel.wait_until(f"return {status} === '';")


def test_the_panel_speaks_chinese_and_fits_a_light_theme(new_page):
    new_page.open_with({"Comfy.ColorPalette": "light", "Comfy.Locale": "zh"})
    open_panel(new_page)
    text = new_page.find(PANEL).text
    assert "ConsistentID 模型" in text and "缺失" in text and "Missing" not in text
    fore, back = new_page.evaluate(LIGHTNESS, PANEL)
    assert back > 150 and back - fore > 100
