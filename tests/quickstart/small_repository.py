"""A repository like this one, with a few tests of its own, an environment, and ComfyUIs that only answer."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from process_trees import ROOT

TESTS = ROOT / "tests"
CONFTEST = """
import sys
from pathlib import Path
sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import run_report

def pytest_addoption(parser):
    run_report.add_options(parser)

def pytest_configure(config):
    config.pluginmanager.register(run_report.RunReport())
"""
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answer).serve_forever()
"""


def write_repository(folder: Path, tests: str) -> Path:
    """tests: the source of its test file."""
    shutil.copytree(ROOT / "quickstart", folder / "quickstart", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "consistentid").mkdir()
    for name in ("__init__", "command_line", "suggestion"):  # of the package, what the command line itself needs
        shutil.copy(ROOT / "consistentid" / f"{name}.py", folder / "consistentid")
    (folder / "tests").mkdir()
    for file in (TESTS / "pytest.ini", TESTS / "run_report.py"):
        shutil.copy(file, folder / "tests")
    (folder / "tests" / "conftest.py").write_text(CONFTEST)
    (folder / "tests" / "test_small.py").write_text(tests)
    (folder / "requirements.txt").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    packages, *_ = (folder / ".venv").glob("[Ll]ib*/**/site-packages")
    (packages / "all.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!a})\n")
    return folder


def write_comfyui(folder: Path, version: str, requirements: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(SERVER)
    (folder / "folder_paths.py").touch()
    (folder / "comfyui_version.py").write_text(f'__version__ = "{version}"\n')
    (folder / "requirements.txt").write_text(requirements)
    return folder
