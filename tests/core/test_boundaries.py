"""What the core may import and call: no host, nothing heavy at import, nothing that runs foreign code."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "consistentid"
FILES = sorted(CORE.rglob("*.py"))
NODE_FILES = sorted(CORE.with_name("nodes").rglob("*.py"))
HEAVY = (
    "comfy",
    "comfy_api",
    "folder_paths",
    "nodes",
    "diffusers",
    "insightface",
    "onnxruntime",
    "transformers",
    "cv2",
)

IMPORT_ALL = """
import importlib, importlib.util, sys
from pathlib import Path
core = Path(sys.argv[1])
spec = importlib.util.spec_from_file_location(
    "consistentid", core / "__init__.py", submodule_search_locations=[str(core)]
)
sys.modules["consistentid"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
for file in sorted(core.rglob("*.py")):
    parts = file.relative_to(core).with_suffix("").parts
    if parts[-1] != "__main__":
        importlib.import_module(".".join(("consistentid", *(part for part in parts if part != "__init__"))))
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> set[str]:
    """Top-level packages in a fresh process that has imported the whole core."""
    command = [sys.executable, "-c", IMPORT_ALL, str(CORE)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("elsewhere"))
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize("package", HEAVY)
def test_importing_the_core_imports_no(package, imported):
    assert {"consistentid", "torch", "numpy"} <= imported
    assert package not in imported


def calls_in(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CORE)))
def test_source(file):
    source = file.read_text(encoding="utf-8")
    tree = ast.parse(source)
    for name, call in calls_in(tree):
        assert name not in ("eval", "exec", "compile", "__import__", "os.system", "pickle.load", "pickle.loads"), name
        assert not name.startswith(("subprocess.", "pip.")), name
        if name.endswith("torch.load") or (name == "load" and "from torch import" in source):
            options = {option.arg: ast.unparse(option.value) for option in call.keywords}
            assert options.get("weights_only") == "True", f"line {call.lineno}"
    for module, level in imports_in(tree):
        assert module.split(".")[0] not in ("pip", "subprocess", "dill", "joblib"), module
        assert not (level == 0 and module.split(".")[0] in ("comfy", "comfy_api", "nodes", "folder_paths")), module
        assert level <= len(file.relative_to(CORE).parts), f"'{module}' is outside the core"


def imports_in(tree: ast.AST):
    """(module, number of leading dots) of every import statement, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


@pytest.mark.parametrize("file", NODE_FILES, ids=lambda file: str(file.relative_to(CORE.parent)))
def test_a_node_asks_the_core_and_not_what_is_of_which_class(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    core = [node for node in imports if "consistentid" in (node.module or "")]
    ours = {alias.asname or alias.name for node in core for alias in node.names}
    asked = {ast.unparse(call.args[1]): call.lineno for name, call in calls_in(tree) if name == "isinstance"}
    assert not {kind: line for kind, line in asked.items() if ours & set(re.findall(r"\w+", kind))}


def test_files_are_short():
    assert {str(file.relative_to(CORE)): n for file in FILES if (n := len(file.read_text().splitlines())) > 220} == {}


def test_core_is_found():
    assert {"errors.py", "weights.py", "merge.py", "person.py"} <= {file.name for file in FILES}


def leads_somewhere(dotted: str) -> bool:
    """Whether a.b.c.name is in a module of the repository, or named by the __init__ of the folder before it."""
    folder = CORE.parent
    for part in dotted.split("."):
        if (folder / f"{part}.py").is_file():
            return True
        if not (folder / part).is_dir():
            return re.search(rf"\b{part}\b", (folder / "__init__.py").read_text(encoding="utf-8")) is not None
        folder /= part
    return True


def test_the_benchmarks_name_modules_that_exist():
    """They load the pack as ComfyUI does, so no type checker follows them."""
    text = "".join(path.read_text(encoding="utf-8") for path in (CORE.parent / "benchmarks").glob("*.py"))
    named = re.findall(r"\bpack((?:\.\w+){2,})", text)
    assert len(named) > 3 and [name for name in named if not leads_somewhere(name[1:])] == []
    assert not leads_somewhere("nodes.patching.apply_adapter")
