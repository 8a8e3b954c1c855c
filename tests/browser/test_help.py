"""The button above a node opens its help, and every page is shown in the language that is set."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "js" / "docs"
NODES = sorted(path.stem for path in DOCS.glob("*.md"))
SHOWN = ".node-help-content"
INFO = "[data-testid='info-button']"
READ = f"return document.querySelector('{SHOWN}')?.innerText ?? '';"
HAS_TITLE = f"return document.querySelector('{SHOWN} h1')?.innerText === args[0];"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_shown_whole(language, page):
    page.open_with({"Comfy.Locale": language})
    node = page.add_node(NODES[0])
    page.click(INFO, before=lambda: page.click_node(node))
    page.wait_until(HAS_TITLE, read_title(NODES[0], language))
    for node in NODES:
        page.show_help(node)
        page.wait_until(HAS_TITLE, read_title(node, language))
        assert list_missing_lines(node, language, page.evaluate(READ)) == []


def read_page(node: str, language: str) -> str:
    path = DOCS / f"{node}.md" if language == "en" else DOCS / node / f"{language}.md"
    return path.read_text(encoding="utf-8")


def read_title(node: str, language: str) -> str:
    return read_page(node, language).splitlines()[0].removeprefix("# ")


def list_missing_lines(node: str, language: str, shown: str) -> list[str]:
    """Lines and table cells of the page, without Markdown's signs, that are not on the screen."""
    cells = [cell for line in read_page(node, language).splitlines() for cell in re.split(r"(?<!\\)\|", line)]
    plain = [re.sub(r"^(#+|-|\d+\.) |[*`\\]|\]\([^)]*\)|\[|^-+$", "", cell.strip()).strip() for cell in cells]
    text = " ".join(shown.split())
    return [cell for cell in plain if " ".join(cell.split()) not in text]
