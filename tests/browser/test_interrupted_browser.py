"""Driver and browser end with the process that opened them, however that one ends."""

import os
import signal
import subprocess
import sys

import pytest
from chromium import open_chromium

from scripts.workflows.files import ROOT

OPEN = """
import sys, time
sys.path.append(sys.argv[1])
from chromium import open_chromium
chromium = open_chromium()
chromium.get("about:blank")
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture
def trees(load_module):
    return load_module(ROOT / "tests" / "quickstart" / "process_trees.py")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_process(trees, browser, wish):
    """browser: skips where there is none."""
    process, line = trees.start_script(OPEN, ROOT / "tests" / "browser", stderr=subprocess.DEVNULL)
    tree = trees.list_tree(process.pid)
    assert line == "open" and len(tree) > 4, "Python, keeper, driver, the browser's processes"
    process.send_signal(wish)
    process.wait(10)
    trees.await_end(tree, 20)


def test_quitting_ends_all(trees, browser):
    before = trees.list_tree(os.getpid())
    chromium = open_chromium()
    opened = [process for process in trees.list_tree(os.getpid()) if process not in before]
    assert sys.executable in opened[0].cmdline() and len(opened) > 4
    chromium.quit()
    trees.await_end(opened, 10)
