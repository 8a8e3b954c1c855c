"""requirements.txt changes nothing that ComfyUI's own requirements install."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.host, pytest.mark.slow]

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
INDEX = "https://pypi.org/simple/pip/"


@pytest.fixture(scope="module")
def online():
    try:
        urllib.request.urlopen(INDEX, timeout=10).close()
    except OSError as error:
        pytest.skip(f"no package index: {INDEX} ({error})")


def resolve(tmp_path, *files) -> dict[str, str]:
    """{package: version} that pip would install into an empty environment; installs nothing."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--disable-pip-version-check", "--report", str(report)]
    run = subprocess.run([*command, *(f"--requirement={file}" for file in files)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    packages = [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {package["name"].lower().replace("_", "-"): package["version"] for package in packages}


def test_nothing_of_comfyuis_changes(online, comfyui, tmp_path):
    alone = resolve(tmp_path, comfyui / "requirements.txt")
    together = resolve(tmp_path, comfyui / "requirements.txt", REQUIREMENTS)
    assert {"torch", "numpy", "transformers", "aiohttp"} <= alone.keys()
    assert "onnxruntime" in together.keys() - alone.keys()
    changed = {name: (version, together.get(name)) for name, version in alone.items() if together.get(name) != version}
    assert changed == {}
