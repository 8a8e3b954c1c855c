"""What ComfyUI's start reads of the pack: few files, no package that a portrait may not need, little JavaScript.

Counted in the sources, so that it is the same on every machine; `python -m benchmarks.start` measures the time.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOST = {"comfy", "comfy_api", "folder_paths", "node_helpers", "torch"}
LOADED_BY_HOST = {"PIL", "aiohttp", "numpy", "pydantic", "pydantic_core", "safetensors", "scipy"}
MOST_FILES = 155


def list_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those that run at import: of branches too, not of functions, not those for type checkers."""
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for name in ("body", "orelse", "finalbody"):
                yield from list_statements(getattr(statement, name, []))


def find_files(file: Path, statement: ast.ImportFrom) -> Iterator[Path]:
    """The files that `from .module import names` reads, folders' own before what is in them."""
    place = file.parents[statement.level - 1]
    for part in (statement.module or "").split("."):
        yield place / "__init__.py"
        place /= part
    yield place.with_suffix(".py")
    for name in statement.names:
        yield from (place / "__init__.py", place / f"{name.name}.py", place / name.name / "__init__.py")


@pytest.fixture(scope="module")
def start() -> tuple[set[Path], set[str]]:
    """Files of the pack, and packages that are neither Python's nor the pack's."""
    waiting, read, packages = [ROOT / "__init__.py"], set(), set()
    while waiting:
        file = waiting.pop()
        if file in read or not file.is_file():
            continue
        read.add(file)
        for statement in list_statements(ast.parse(file.read_text(encoding="utf-8")).body):
            if isinstance(statement, ast.ImportFrom) and statement.level:
                waiting += find_files(file, statement)
            elif isinstance(statement, ast.ImportFrom):
                packages.add((statement.module or "").partition(".")[0])
            elif isinstance(statement, ast.Import):
                packages |= {name.name.partition(".")[0] for name in statement.names}
    return read, packages - sys.stdlib_module_names


def test_a_start_reads_few_files(start):
    read = {file.relative_to(ROOT).as_posix() for file in start[0]}
    assert {"nodes/zoo.py", "consistentid/face/search.py", "consistentid/identity/__init__.py"} <= read
    commands = [f"consistentid/{name}/" for name in ("headless", "training", "dataset", "evaluation")]
    assert not [file for file in read if file.startswith((*commands, "zoo/drawn_faces/"))]
    assert len(read) <= MOST_FILES, f"{len(read)} files: import at use what a portrait may not need"


def test_a_start_imports_no_package_that_comfyui_has_not(start):
    assert {"comfy_api", "numpy", "torch"} <= start[1] <= HOST | LOADED_BY_HOST


def test_the_editor_loads_little_javascript():
    """Each file is one request, at every start of the editor; ComfyUI sends them as they are."""
    scripts = [*(ROOT / "js").rglob("*.js"), *(ROOT / "js").rglob("*.css")]
    assert 20 < len(scripts) <= 32 and sum(script.stat().st_size for script in scripts) < 84_000
