"""What was started ends with its starter, however that one is ended; real processes, really killed."""

import os
import signal
import subprocess
import sys

import pytest
from process_trees import await_end, list_tree, start_script

from quickstart import kept_process

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

# The kept process has a child of its own.
STARTER = """
import time
from quickstart.kept_process import start_kept
FAMILY = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
process = start_kept([sys.executable, "-c", FAMILY + "; print('ready', flush=True); time.sleep(600)"])
time.sleep(600)
"""


OBEY = """
import time
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    raise SystemExit(3)
"""


@posix
@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_all_ends_with_the_starter(wish):
    starter, line = start_script(STARTER, stderr=subprocess.DEVNULL)
    tree = list_tree(starter.pid)
    assert line == "ready" and len(tree) == 4, "starter, keeper, command, its child"
    starter.send_signal(wish)
    starter.wait(5)
    await_end(tree, 5)


@posix
def test_the_keeper_ends_all_when_it_is_ended():
    starter, _ = start_script(STARTER)
    _, keeper, *kept = list_tree(starter.pid)
    keeper.terminate()
    await_end([keeper, *kept], 5)
    starter.kill()
    starter.wait()


def test_the_exit_code_is_the_commands():
    process = kept_process.start_kept([sys.executable, "-c", "raise SystemExit(7)"])
    assert process.wait(10) == 7
    process.stdin.close()


def test_what_the_command_leaves_behind_ends_with_it():
    leave = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']).pid)"
    process = kept_process.start_kept([sys.executable, "-c", leave], stdout=subprocess.PIPE, text=True)
    assert int(process.stdout.read()), "read to its end: nobody holds it any more"
    assert process.wait(5) == 0


@posix
def test_who_refuses_is_ended_all_the_same(monkeypatch):
    monkeypatch.setattr(kept_process, "PATIENCE_SECONDS", 0.3)
    refuse = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{refuse}; time.sleep(600)"], stdout=subprocess.PIPE, **kept_process.OWN_GROUP
    )
    child.stdout.readline()
    kept_process._end_group(child)
    assert child.returncode == -signal.SIGKILL


@posix
def test_ctrl_c_is_passed_on():
    """What knows it can end in its own way."""
    process = kept_process.start_kept([sys.executable, "-c", OBEY], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert kept_process.await_kept(process) == 3
