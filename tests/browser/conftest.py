"""One ComfyUI server and one headless Chromium for all tests here; `page` is the editor with an empty graph.

The files here import each other, and those of tests/workflows, as plain modules.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parents[1] / "workflows"))

import pytest
from chromium import open_chromium
from editor_page import EditorPage
from editor_scripts import FORGET, HAS_NODES_2, STORE
from editor_server import run_editor_server

HERE = Path(__file__).resolve().parent


def pytest_addoption(parser):
    parser.addoption("--screenshots", metavar="FOLDER", help="where screenshots go (default: pytest's own folder)")


def pytest_itemcollected(item):
    if HERE in item.path.parents:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.host)  # skips without a ComfyUI


@pytest.fixture(scope="session")
def editor_server(comfyui, tmp_path_factory):
    with run_editor_server(comfyui, tmp_path_factory.mktemp("editor")) as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    chrome = open_chromium()
    chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FORGET})
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def screenshots(request, tmp_path_factory) -> Path:
    given = request.config.getoption("--screenshots", default=None)
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def editor(browser, editor_server, screenshots):
    """The page, loaded anew for each test file."""
    page = EditorPage(browser, editor_server.address, screenshots)
    page.open()
    return page


@pytest.fixture(scope="module", params=["classic", "nodes 2.0"])
def drawing(editor, request):
    """Has the tests of a file run once with each way of the editor to draw nodes."""
    if request.param == "classic":
        yield
        return
    if not editor.evaluate(HAS_NODES_2):
        pytest.skip("this editor's Nodes 2.0 shows no elements in nodes")
    editor.evaluate(STORE, {"Comfy.VueNodes.Enabled": True})
    editor.open()
    yield
    editor.evaluate(STORE, {"Comfy.VueNodes.Enabled": False})


@pytest.fixture
def page(editor, request):
    """The editor with an empty graph and its settings as at the start.

    An error of our files that the test did not read with `read_errors` fails it.
    """
    editor.clear()
    editor.read_errors()  # forgets older ones
    yield editor
    editor.screenshot(request.node.name)
    editor.restore_settings()
    assert not editor.read_errors()
