"""An interrupted test run leaves nothing running: real commands, really killed, and a stand-in for ComfyUI."""

import os
import signal
import subprocess
import time

import process_trees
import pytest
from process_trees import await_end, list_tree
from small_repository import write_comfyui, write_repository

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]

TESTS = """
import os, time
from pathlib import Path
import pytest
from quickstart.comfyui_server import running_server

@pytest.mark.host
def test_that_takes_long(tmp_path):
    with running_server(Path(os.environ["COMFYUI_PATH"]), [], True, tmp_path):
        Path("worker").write_text(str(os.getpid()))
        time.sleep(600)
"""
PYTEST = ("-m", "pytest", "-n", "2", "tests")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_comfyui(folder / "comfyui", "0.3.64")
    return write_repository(folder, TESTS)


@pytest.fixture
def start(repository):
    """Starts a command that comes to the test that uses a server; gives it, and all processes below it."""
    started, worker = [], repository / "worker"
    worker.unlink(missing_ok=True)

    def start(*arguments):
        environment = os.environ | {"COMFYUI_PATH": str(repository / "comfyui")}
        command = [repository / ".venv" / "bin" / "python", *arguments]
        process = process_trees.start(command, cwd=repository, env=environment, stderr=subprocess.STDOUT)
        started.append(process)
        while not worker.exists() or not worker.read_text():
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.1)
        tree = list_tree(process.pid)
        assert any("main.py" in one.cmdline() for one in tree), "the server runs"
        return process, tree

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_worker(start, repository):
    """pytest goes on."""
    process, _ = start(*PYTEST)
    tree = list_tree(int((repository / "worker").read_text()))
    tree[0].kill()
    await_end(tree, 15)
    output, _ = process.communicate(timeout=60)
    assert "crashed while running" in output and "1 failed" in output


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_pytest(start, wish):
    process, tree = start(*PYTEST)
    process.send_signal(wish)
    await_end(tree, 30)


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_command(start, wish):
    process, tree = start("quickstart", "test")
    process.send_signal(wish)
    await_end(tree, 30)


def test_ctrl_c_ends_with_a_summary(start):
    process, tree = start("quickstart", "test")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    await_end(tree, 5)
    assert process.returncode == 130 and "KeyboardInterrupt" in output
    assert "what was proved" in output and output.strip().endswith("Stopped.")
