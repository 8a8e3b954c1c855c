"""What checkers of node packs look at, as far as it can be read from the sources (see docs/checkers.md)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("nodes", "consistentid", "zoo", "quickstart", "benchmarks")
SOURCES = [path for folder in SHIPPED for path in sorted((ROOT / folder).rglob("*.py"))]
SCRIPTS = sorted((ROOT / "js").glob("*.js"))


def find_foreign(source: str) -> list[str]:
    """Lines with letters that the Windows code page 1252 lacks, outside of search words in other languages."""
    lines = source.splitlines()
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("list_aliases"):
            lines[call.lineno - 1 : call.end_lineno] = [""] * (call.end_lineno - call.lineno + 1)
    return [line.strip() for line in lines if line != line.encode("cp1252", "ignore").decode("cp1252")]


def test_letters_of_other_languages_are_in_search_words_only():
    found = {path.relative_to(ROOT).as_posix(): find_foreign(path.read_text(encoding="utf-8")) for path in SOURCES}
    found["consistentid/evaluation/tables.py"] = []  # arrows of a report, which is written in UTF-8
    assert not {path: lines for path, lines in found.items() if lines}
    assert find_foreign('sockets.list_aliases(\n    "人脸",\n)\nname = "人脸"') == ['name = "人脸"']


def test_no_file_of_the_host_is_asked_for_in_a_way_that_reads_as_a_symbol():
    asks = re.compile(r"\bcomfy[\w.]*\.__file__")
    assert not [path for path in SOURCES if asks.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_extensions_are_named_after_the_pack(script):
    """ComfyUI drops the second of two extensions of the same name, whichever packs they are of."""
    title = re.search(r'^DisplayName = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    text = script.read_text(encoding="utf-8")
    names = re.findall(r'registerExtension\(\{\s*name: "([^"]+)"', text)
    assert len(names) == text.count("registerExtension(")
    for name in names:
        assert name.startswith(f"{title.replace(' ', '').lower()}.")
