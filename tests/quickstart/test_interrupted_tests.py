"""An interrupted test run leaves no server: real pytest, real signals, a stand-in for ComfyUI that only answers."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from process_trees import QUICKSTART, await_end, list_tree

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]

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
TESTS = """
import os, sys, time
from pathlib import Path
sys.path.append({quickstart!r})
from comfyui_server import running_server

HERE = Path(__file__).parent

def test_that_takes_long():
    with running_server(HERE / "comfyui", [], True, HERE / "host"):
        (HERE / "worker").write_text(str(os.getpid()))
        time.sleep(600)
"""


@pytest.fixture
def run(tmp_path):
    """A pytest in two processes, in the middle of a test that uses a server; and the worker of this test."""
    (tmp_path / "comfyui").mkdir()
    (tmp_path / "comfyui" / "main.py").write_text(SERVER)
    (tmp_path / "test_long.py").write_text(TESTS.format(quickstart=str(QUICKSTART)))
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    process = subprocess.Popen([*command, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    while not (tmp_path / "worker").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    yield process, psutil.Process(int((tmp_path / "worker").read_text()))
    process.kill()
    process.wait()


def test_a_killed_worker(run):
    """pytest goes on."""
    process, worker = run
    kept = list_tree(worker.pid)
    assert len(kept) == 3 and "main.py" in " ".join(kept[-1].cmdline())
    worker.kill()
    await_end(kept, 10)
    output, _ = process.communicate(timeout=30)
    assert "crashed while running" in output and "1 failed" in output


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_pytest(run, wish):
    process, _ = run
    tree = list_tree(process.pid)
    assert len(tree) == 5, "pytest, two workers, keeper, server"
    process.send_signal(wish)
    await_end(tree, 30)
