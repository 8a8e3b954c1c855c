"""The pack as users get it: packed as for the registry, in a folder of any name, which nobody may write to."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from quickstart import comfyui_server

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "自定义 nodes-包 (v0.1)"
CODE = [ROOT / "__init__.py", *(ROOT / "nodes").rglob("*.py"), *(ROOT / "consistentid").rglob("*.py")]
# Of the headless engine, of evaluation, and of captions in 8 or 4 bits: who uses these is told what to install.
OPTIONAL = {"accelerate", "bitsandbytes", "diffusers", "dlib", "matplotlib", "peft", "ray", "torchmetrics"}
HOST = {"comfy", "comfy_api", "comfy_extras", "folder_paths", "node_helpers", "nodes", "server", "execution"}
# For root a folder without write permission is writable, unless this capability is gone.
AS_USER = ["setpriv", "--bounding-set=-dac_override"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """What `comfy node pack` makes: the files git has, but for those of .comfyignore."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")

    def list_files(*options: str) -> set[str]:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *options]
        return set(subprocess.check_output(command, cwd=ROOT).decode().split("\0")) - {""}

    left_out = set(
        subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--ignored", "--exclude-from=.comfyignore"], cwd=ROOT
        )
        .decode()
        .split("\0")
    )
    path = tmp_path_factory.mktemp("package") / "node.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(list_files() - left_out):
            if (ROOT / file).is_file():
                archive.write(ROOT / file, file)
    return path


@pytest.fixture(scope="module")
def address(comfyui, archive, tmp_path_factory):
    """A server whose only pack was unpacked from the archive and may not be written to."""
    if os.name == "nt" or (AS_USER and not shutil.which(AS_USER[0])):
        pytest.skip("no way to make a folder read-only for this user")
    with pytest.MonkeyPatch.context() as patch:
        start = comfyui_server._command
        patch.setattr(comfyui_server, "PACK", FOLDER)
        patch.setattr(comfyui_server, "_link_pack", lambda folder: unpack(archive, folder))
        patch.setattr(comfyui_server, "_command", lambda *args: [*AS_USER, *start(*args)])
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        folder = tmp_path_factory.mktemp("a user's ComfyUI")
        with comfyui_server.running_server(comfyui, [], True, folder) as address:
            yield address, folder
        for path in (folder / "custom_nodes").rglob("*"):
            path.chmod(0o755)


def unpack(archive: Path, folder: Path) -> None:
    zipfile.ZipFile(archive).extractall(folder)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


def read(address: str, path: str) -> str:
    with urllib.request.urlopen(address + urllib.parse.quote(path), timeout=30) as response:
        return response.read().decode()


@pytest.mark.server
def test_the_archive_loads_from_a_read_only_folder_of_any_name(host, address):
    address, folder = address
    log = (folder / "server.log").read_text(encoding="utf-8")
    assert f"ConsistentID Portraits {host.consistentid.__version__}: {len(host.nodes.NODES)} nodes" in log
    assert "IMPORT FAILED" not in log and "Unable to parse pyproject" not in log and "Traceback" not in log
    known = json.loads(read(address, "/object_info"))
    modules = {known[node.GET_SCHEMA().node_id]["python_module"] for node in host.nodes.NODES}
    assert modules == {f"custom_nodes.{FOLDER}"}
    assert not list((folder / "custom_nodes").rglob("__pycache__"))


@pytest.mark.server
def test_frontend_files_pages_and_workflows_are_served_from_there(address):
    address, _ = address
    pages = f"/extensions/{FOLDER}/docs/ConsistentID_ApplyAdapter"
    assert read(address, f"{pages}.md").startswith("# Apply ConsistentID\n")
    asked = pages.replace(FOLDER, FOLDER.split(".")[0])  # as the editor does
    assert read(address, f"{asked}/zh.md").startswith("# 应用 ConsistentID\n")
    for script in json.loads(read(address, "/extensions")):
        if "identity_thumbnail" in script:
            assert "ConsistentID_LoadIdentity" in read(address, urllib.parse.unquote(script))
            break
    else:
        pytest.fail("the frontend is not told of identity_thumbnail.js")
    for path in ("../../pyproject.toml", "..%2f..%2fpyproject.toml", "/etc/passwd"):
        with pytest.raises(urllib.error.HTTPError, match=r"40[34]"):
            urllib.request.urlopen(f"{address}/extensions/{urllib.parse.quote(FOLDER)}/{path}", timeout=30)
    names = json.loads(read(address, "/workflow_templates"))[FOLDER]
    assert "portrait_sd15" in names
    assert json.loads(read(address, f"/api/workflow_templates/{FOLDER}/portrait_sd15.json"))["nodes"]
    assert json.loads(read(address, "/i18n"))["zh"]["nodeDefs"]["ConsistentID_ApplyAdapter"]


def test_the_archive_holds_what_users_need_and_no_tests(archive):
    names = set(zipfile.ZipFile(archive).namelist())
    needed = {"__init__.py", "pyproject.toml", "requirements.txt", "models_manifest.json", "README.md", "LICENSE"}
    assert needed <= names
    assert {name.split("/")[0] for name in names} >= {"nodes", "consistentid", "js", "locales", "workflows", "zoo"}
    assert not [name for name in names if name.startswith((".", "scripts/", "tests/")) or name.endswith(".pyc")]
    assert {name for name in names if "/" not in name} == needed | {"CHANGELOG.md", "CONTRIBUTING.md"}
    size = archive.stat().st_size
    assert size < 12e6 + 25e6, f"{size} bytes, uncompressed; the small models are 25 MB of them"


def test_loading_writes_nothing_into_the_pack(host, archive, tmp_path):
    zipfile.ZipFile(archive).extractall(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    spec = importlib.util.spec_from_file_location(
        "unpacked_pack", tmp_path / "__init__.py", submodule_search_locations=[str(tmp_path)]
    )
    sys.modules["unpacked_pack"] = pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    assert len(pack.nodes.NODES) == len(host.nodes.NODES)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


def test_one_version_everywhere(host):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = host.consistentid.__version__
    assert re.search(r'^version = "(.+)"', project, re.MULTILINE)[1] == version
    assert re.search(r"^## \[(\d.+?)\]", changes, re.MULTILINE)[1] == version


def test_requirements_bring_every_package_that_is_imported(comfyui):
    """Beside the requirements of a ComfyUI, with what both bring along."""
    wanted, brought = [], set()
    for file in (ROOT / "requirements.txt", comfyui / "requirements.txt"):
        lines = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
        wanted += [Requirement(line) for line in lines if line]
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in brought or (requirement.marker and not requirement.marker.evaluate()):
            continue
        brought.add(name)
        try:
            wanted += [Requirement(line) for line in importlib.metadata.requires(requirement.name) or []]
        except importlib.metadata.PackageNotFoundError:
            continue
    sources = importlib.metadata.packages_distributions()
    foreign = {name for file in CODE for name in list_imports(file)} - set(sys.stdlib_module_names) - HOST - OPTIONAL
    missing = {name for name in foreign if not {*map(canonicalize_name, sources.get(name, []))} & brought}
    assert not missing


def list_imports(file: Path) -> set[str]:
    """Top-level packages a file imports anywhere, without its own."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("folder", "names"),
    [("ComfyUI-ConsistentID", []), ("节点", ["节点"]), ("a b@1_0", ["a b@1_0", "a b"]), ("pack-0.1.0", ["pack-0"])],
)
def test_only_names_that_the_host_does_not_serve_get_routes(host, folder, names):
    assert host.nodes.server.web_files.list_unserved_names(folder) == names


@pytest.mark.parametrize("name", ["x%00.js", "%ff.js", "a" * 5000, "%ed%a0%bd", "..%2f..%2fpyproject.toml"])
def test_a_name_that_no_file_can_have_is_not_there(host, name):
    import asyncio

    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer
    from yarl import URL

    async def visit():
        app = web.Application()
        app.router.add_get("/{file:.+}", host.nodes.server.web_files._make_handler(ROOT / "js"))
        async with TestClient(TestServer(app)) as client, client.get(URL(f"/{name}", encoded=True)) as response:
            return response.status

    assert asyncio.run(visit()) == 404
