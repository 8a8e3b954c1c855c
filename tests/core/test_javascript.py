"""js/ is formatted and linted as biome.json says, its types fit, and its plain functions do what tests/js asks."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tools(load_module):
    tools = load_module(ROOT / "tests" / "js" / "tools.py")
    try:
        tools.install_tools()
    except tools.ToolsMissing as missing:
        pytest.skip(str(missing))
    return tools


@pytest.mark.parametrize("name", ["biome", "types", "tests"])
def test_javascript(tools, name):
    run = tools.run_tool(name)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("script", sorted((ROOT / "js").glob("*.js")), ids=lambda path: path.stem)
def test_every_file_asks_editors_for_the_type_check(script):
    assert script.read_text(encoding="utf-8").startswith("// @ts-check\n")
