"""README and docs: links lead somewhere, tables are whole, and the code they name exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "js" / "docs").rglob("*.md")])
README, NODES, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "nodes.md", ROOT / "docs" / "architecture.md"
COMFYUI_FILES = {"main.py"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
PLACE = re.compile(r"`([\w/]+\.py): ([\w.]+)`")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def leave_code_out(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def list_anchors(path: Path) -> set[str]:
    """The anchors GitHub gives the headings of a page."""
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", read(path), flags=re.DOTALL), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchors.add(f"{slug}-1" if slug in anchors else slug)
    return anchors


def find_broken_links(path: Path) -> list[str]:
    broken = []
    for link in LINK.findall(leave_code_out(read(path))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in list_anchors(target)):
            broken.append(link)
    return broken


def find_missing_places(text: str) -> list[str]:
    """What is named as `file.py: function`, or `file.py: Class.method`, and is not there, nor in consistentid/."""
    missing = []
    for file, name in PLACE.findall(text):
        path = ROOT / file if file.startswith("nodes/") else ROOT / "consistentid" / file
        scope = ast.parse(read(path)).body if path.is_file() else []
        for part in name.split("."):
            scope = next((node.body for node in scope if getattr(node, "name", None) == part), None) or []
        if not scope:
            missing.append(f"{file}: {name}")
    return missing


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(path):
    assert find_broken_links(path) == []


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n[a](page.md#one-two) [b](none.md) [c](#three) `[d](code.md)` [e](https://x.y)\n")
    assert find_broken_links(page) == ["none.md", "#three"]


def test_the_readme_is_short_and_has_the_two_commands():
    text = read(README)
    assert len(text.split()) <= 1200
    for command in ("python quickstart portrait", "python quickstart test"):
        assert f"\n```\n{command}\n```\n" in text


def test_every_node_is_listed_with_its_inputs():
    rows = {match[1]: line for line in read(NODES).splitlines() if (match := re.search(r"js/docs/(\w+)\.md", line))}
    pages = {page.stem: page for page in (ROOT / "js" / "docs").glob("*.md")}
    assert rows.keys() == pages.keys()
    for name, page in pages.items():
        title = read(page).splitlines()[0].removeprefix("# ")
        *_, inputs, _ = rows[name].split("|")
        assert f"[{title}](" in rows[name]
        assert re.findall(r"`(\w+)`", inputs) == list_inputs(read(page)), name


def list_inputs(page: str) -> list[str]:
    table = page.partition("| input | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    return [name for row in table.splitlines() for name in row.split("|")[1].replace(" ", "").split(",")]


def test_the_architecture_names_code_that_exists():
    text = read(ARCHITECTURE)
    assert len(PLACE.findall(text)) > 20
    assert find_missing_places(text) == []
    assert find_missing_places("`merge.py: merge_step` `merge.py: merged`") == ["merge.py: merged"]


def test_every_python_file_that_is_named_exists():
    files = {path.relative_to(ROOT).as_posix() for path in list_python()}
    for paper in PAPERS:
        names = set(re.findall(r"`([\w/]+\.py)(?::[^`]*)?`", read(paper))) - COMFYUI_FILES
        gone = [name for name in names if not any(f"/{file}".endswith(f"/{name}") for file in files)]
        assert not gone, f"{paper.name} names {gone}"


def list_python() -> list[Path]:
    folders = ("benchmarks", "consistentid", "nodes", "quickstart", "scripts", "tests", "zoo")
    return [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]


def test_decisions_have_one_form():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for number, path in enumerate(decisions, 1):
        headings = re.findall(r"^#+ .+$", read(path), re.MULTILINE)
        assert headings[0].startswith(f"# {number}. "), path.name
        assert headings[1:] == ["## Context", "## Choice", "## Rejected"], path.name
