"""Load Identity: a dialog with pictures and names of all identities."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from consistentid.identity.file import load_identity, save_identity

pytestmark = pytest.mark.usefixtures("drawing")

NODE = "ConsistentID_LoadIdentity"
TILES = """
return [...document.querySelectorAll(".consistentid-tile")].filter((one) => !one.hidden).map((one) => one.title);
"""
WIDTHS = "[...document.querySelectorAll('.consistentid-tile img')].map((one) => one.hidden ? 0 : one.naturalWidth)"
FOCUSED = "return document.activeElement.title || document.activeElement.tagName;"
NAMES = ["anna.safetensors", "bert.safetensors", "person.safetensors"]
EVIL = "<img src=x onerror=window.hacked=1>.safetensors"
CLOSED = "return !document.querySelector('.consistentid-picker');"


@pytest.fixture
def node(page, editor_server):
    """A Load Identity that offers one person; saved since then: two people with a picture, one with a bad name."""
    folder = editor_server.folder / "models" / "consistentid" / "identities"
    portrait = np.asarray(Image.open(editor_server.folder / "input" / "photo.png"))[62:190, 170:298]
    person = load_identity(folder / NAMES[2])
    for name in NAMES[:2]:
        if not (folder / name).exists():
            save_identity(replace(person, thumbnail=portrait), folder / name)
    evil = folder / EVIL
    evil.write_bytes(b"")
    node = page.add_node(NODE, 500, 200)
    page.evaluate("graph.getNodeById(args[0]).widgets[0].options.values = args[1];", node, [NAMES[2]])
    page.set_widget(node, "name", NAMES[2])
    yield node
    evil.unlink()


def open_picker(page, node):
    """The search box of the dialog that the button opens."""
    click = "const node = graph.getNodeById(args[0]); node.widgets.find((w) => w.name === 'choose').callback();"
    page.evaluate(click, node)
    return page.find(".consistentid-search")


def test_a_click_picks_a_person_by_picture(page, node):
    open_picker(page, node)
    assert page.evaluate(TILES) == [EVIL, *NAMES], "without pressing R"
    page.wait_until(f"return ({WIDTHS}).filter((width) => width === 128).length === 2;")
    assert page.evaluate(f"return {WIDTHS};") == [0, 128, 128, 0]
    pressed = "return document.querySelector('.consistentid-tile[aria-pressed=true]').title;"
    assert page.evaluate(pressed) == NAMES[2]
    assert page.evaluate("return window.hacked ?? null;") is None
    page.screenshot("identity_picker")
    page.click(f".consistentid-tile[title='{NAMES[1]}']")
    page.wait_until(CLOSED)
    assert page.read_widget(node, "name") == NAMES[1]
    (saved,) = page.save()["nodes"]
    assert saved["widgets_values"] == [NAMES[1]], "neither button nor picture is part of the workflow"


def test_search_and_keys(page, node):
    from selenium.webdriver.common.keys import Keys

    search = open_picker(page, node)
    assert page.evaluate(FOCUSED) == "INPUT"
    search.send_keys("ER")
    assert page.evaluate(TILES) == [EVIL, *NAMES[1:]]
    search.send_keys("T", Keys.ENTER)
    page.wait_until(CLOSED)
    assert page.read_widget(node, "name") == NAMES[1]

    open_picker(page, node).send_keys(Keys.ARROW_DOWN)
    keys = [
        (Keys.ARROW_RIGHT, NAMES[0]),
        (Keys.ARROW_RIGHT, NAMES[1]),
        (Keys.ARROW_LEFT, NAMES[0]),
        (Keys.ARROW_UP, "INPUT"),
    ]
    for key, focused in keys:
        page.driver.switch_to.active_element.send_keys(key)
        assert page.evaluate(FOCUSED) == focused
    page.driver.switch_to.active_element.send_keys("nobody of this name")
    assert page.evaluate(TILES) == [] and page.find(".consistentid-picker .consistentid-hint").is_displayed()
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.wait_until(CLOSED)
    assert page.read_widget(node, "name") == NAMES[1], "Escape changes nothing"
