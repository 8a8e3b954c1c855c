"""Help pages: one for every node in English and Chinese, that name the inputs and outputs the node has."""

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "js" / "docs"
NODES = sorted(page.stem for page in PAGES.glob("*.md"))
CODE = re.compile(r"`([^`]+)`")


def read_english(node: str) -> str:
    return (PAGES / f"{node}.md").read_text(encoding="utf-8")


def read_chinese(node: str) -> str:
    return (PAGES / node / "zh.md").read_text(encoding="utf-8")


def list_tables(page: str) -> list[list[str]]:
    """First cells of each table's rows below its header."""
    tables = re.findall(r"(?:^\|.*\|\n?)+", page, flags=re.MULTILINE)
    return [[row.split("|")[1].strip() for row in table.splitlines()[2:]] for table in tables]


def list_names(cell: str) -> list[str]:
    """Of "start, end" and of "开始 `start`、结束 `end`": start and end."""
    return CODE.findall(cell) or cell.split(", ")


def describe_shape(page: str) -> dict:
    lines = page.splitlines()
    return {
        "tables": [[list_names(cell) for cell in table] for table in list_tables(page)],
        "headings": [line.split(" ")[0] for line in lines if line.startswith("#")],
        "faults": sum(line.startswith("- ") for line in lines),
        "paragraphs": sum(bool(line) and line[0] not in "#|-" for line in lines),
    }


@pytest.fixture(scope="module")
def chinese() -> dict:
    return json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schemas(host) -> dict:
    return {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in host.nodes.NODES}


def test_every_node_has_pages_and_no_page_is_left_over(schemas):
    assert sorted(schemas) == NODES
    assert sorted(schemas) == sorted(page.parent.name for page in PAGES.glob("*/zh.md"))


def test_titles_are_those_of_the_nodes(schemas, chinese):
    for node, schema in schemas.items():
        assert read_english(node).splitlines()[0] == f"# {schema.display_name}"
        assert read_chinese(node).splitlines()[0] == f"# {chinese[node]['display_name']}"


def test_pages_name_every_input_and_output(schemas):
    for node, schema in schemas.items():
        inputs, outputs = [i.id for i in schema.inputs], [o.display_name for o in schema.outputs]
        named = [name for table in list_tables(read_english(node)) for cell in table for name in list_names(cell)]
        assert not {*inputs, *outputs} - set(named), node


@pytest.mark.parametrize("node", NODES)
def test_the_chinese_page_says_what_the_english_one_does(node):
    english, chinese = read_english(node), read_chinese(node)
    assert describe_shape(chinese) == describe_shape(english)
    assert not set(CODE.findall(english)) - set(CODE.findall(chinese))
    assert all(re.search(r"[\u4e00-\u9fff]", line) for line in chinese.splitlines() if line.startswith("- "))


def test_chinese_pages_call_inputs_and_outputs_what_the_nodes_call_them(schemas, chinese):
    for node, schema in schemas.items():
        texts = chinese[node]
        names = {(slot.id, texts["inputs"][slot.id]["name"]) for slot in schema.inputs}
        names |= {(slot.display_name, texts["outputs"][str(n)]["name"]) for n, slot in enumerate(schema.outputs)}
        cells = [cell for table in list_tables(read_chinese(node)) for cell in table]
        called = {(id, name) for cell in cells for name, id in re.findall(r"([^`、]+) `([^`]+)`", cell)}
        assert called == names, node
