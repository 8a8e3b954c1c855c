"""What stands in several files of the repository agrees: versions of the pack, of Python, of ComfyUI and of tools."""

import ast
import json
import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
FORMS = sorted(path.stem for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def find(pattern: str, text: str = PYPROJECT) -> str:
    return re.search(pattern, text, re.MULTILINE)[1]


def read_yaml(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def read_matrix(job: str) -> dict:
    return read_yaml(".github/workflows/test.yml")["jobs"][job]["strategy"]["matrix"]


def read_constant(name: str):
    """A constant of the quick start, which has the standard library only and reads no pyproject.toml before 3.11."""
    for path in (ROOT / "quickstart").rglob("*.py"):
        for line in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == name:
                return ast.literal_eval(line.value)
    raise KeyError(name)


def write(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def parse(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_version_is_that_of_pyproject():
    import consistentid

    version = find(r'^version = "(.+)"')
    assert consistentid.__version__ == version
    assert find(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) in (version, "Unreleased")
    for page in ("README.md", "docs/upgrading.md"):
        told = set(re.findall(r"ConsistentID Portraits (\d[\d.]*):", (ROOT / page).read_text(encoding="utf-8")))
        assert told <= {version}, page
    assert "version" not in json.loads((ROOT / "package.json").read_text(encoding="utf-8"))


def test_pythons_of_the_matrix_are_those_the_pack_supports():
    pythons = read_matrix("rest")["python"]
    oldest = find(r'^requires-python = ">=(.+)"')
    assert pythons[0] == oldest
    assert [parse(python) for python in pythons] == [(3, minor) for minor in range(parse(oldest)[1], 14)]
    assert find(r'^target-version = "py(.+)"') == oldest.replace(".", "")


def test_comfyuis_of_the_matrix_are_the_oldest_supported_and_a_newer_one():
    oldest, newest = read_matrix("host")["comfyui"]
    assert oldest == find(r'^requires-comfyui = ">=(.+)"') == write(read_constant("OLDEST"))
    assert parse(newest) > parse(oldest)
    assert f"v{newest}" in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_every_job_names_a_system_and_what_it_uses_with_a_version():
    for path in (GITHUB / "workflows").glob("*.yml"):
        workflow = read_yaml(path)
        assert workflow["permissions"] == {"contents": "read"}
        for job in workflow["jobs"].values():
            assert "uses" in job or job["runs-on"]
            for step in job.get("steps", ()):
                assert ("uses" in step) != ("run" in step)
                assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_as_github_takes_them(form):
    page = read_yaml(f".github/ISSUE_TEMPLATE/{form}.yml")
    assert set(page) == {"name", "description", "labels", "body"}
    ids = [field["id"] for field in page["body"]]
    assert len(set(ids)) == len(ids)
    for field in page["body"]:
        assert field["type"] in ("input", "textarea", "dropdown") and field["attributes"]["label"]
        assert (field["type"] == "dropdown") == ("options" in field["attributes"])


def test_a_bug_s_form_asks_what_is_needed():
    fields = {field["id"] for field in read_yaml(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert {"pack", "comfyui", "system", "gpu", "log", "workflow", "packs"} <= fields


def test_dependabot_looks_after_every_kind_of_package():
    updates = read_yaml(".github/dependabot.yml")["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["pip", "npm", "github-actions"]


def test_hooks_run_the_tools_of_the_tests():
    hooks = {hook["id"]: hook for repo in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]}
    biome = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]["@biomejs/biome"]
    assert hooks["biome"]["additional_dependencies"] == [f"@biomejs/biome@{biome}"]
    ruff = {line for hook in ("ruff-check", "ruff-format") for line in hooks[hook]["additional_dependencies"]}
    minor = find(r'"ruff==(.+?)[*]"')
    assert len(ruff) == 1 and ruff.pop().startswith(f"ruff=={minor}")


def test_python_3_10_installs_what_pyproject_lists():
    tomllib = pytest.importorskip("tomllib")
    listed = tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]
    for name, lines in read_constant("OPTIONAL").items():
        assert list(lines) == listed[name]
