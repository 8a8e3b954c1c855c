"""The tree passes the linter, the formatter and the type checker, with the settings of pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff(command):
    run = subprocess.run([sys.executable, "-m", "ruff", *command, str(ROOT)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_pyright():
    """Against the packages of the Python that runs this; what it does not know of ComfyUI is in tests/typings."""
    pytest.importorskip("pyright", reason="no pyright: pip install 'pyright[nodejs]'")
    command = [sys.executable, "-m", "pyright", "--project", str(ROOT), "--pythonpath", sys.executable]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stdout + run.stderr
