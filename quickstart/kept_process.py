"""Processes that end with whoever started them, however that one ends: by itself, Ctrl-C, a signal, kill -9, a crash.

Run as a script this file is the keeper, `python kept_process.py COMMAND...`. It starts the command in a process group
of its own and reads a pipe that the starter holds: the pipe closes with the starter, whatever became of it, and then
the keeper ends the group. Standard library only.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

KEEPER = (sys.executable, "-I", "-S", os.path.abspath(__file__))
OWN_GROUP: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
)
PATIENCE_SECONDS = 10
POLL_SECONDS = 0.1


def start_kept(command, **options):
    """A Popen of the keeper: its exit code is the command's. options: of Popen; standard input is the pipe."""
    return subprocess.Popen([*KEEPER, *map(str, command)], stdin=subprocess.PIPE, **OWN_GROUP, **options)


def await_kept(process):
    """The exit code. Ctrl-C is passed on, so that the command can end in its own way, for a while."""
    try:
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)  # on Windows Ctrl-C does not interrupt a wait without an end
        return process.returncode
    except KeyboardInterrupt:
        if os.name != "nt":
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_SECONDS)
        raise
    finally:
        end_kept(process)


def end_kept(process):
    """End what `start_kept` started, with all its children; returns the exit code."""
    process.stdin.close()
    return process.wait()


def keep(command):
    """Run the command until it ends, the pipe closes or a signal comes; returns its exit code."""
    wishes = []
    if os.name != "nt":
        signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the command would inherit
        for wish in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(wish, lambda *_: wishes.append("signal"))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **OWN_GROUP)
    if os.name != "nt":
        signal.signal(signal.SIGINT, lambda *_: _pass_on(child))
    threading.Thread(target=lambda: (os.read(0, 1), wishes.append("closed")), daemon=True).start()
    while child.poll() is None and not wishes:
        time.sleep(POLL_SECONDS)
    _end_group(child)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _pass_on(child):
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGINT)


def _end_group(child):
    """End the child and its children, politely first."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(child.pid)], capture_output=True)
        child.wait()
        return
    for wish in (signal.SIGTERM, signal.SIGKILL):
        try:
            if child.poll() is None or wish == signal.SIGKILL:  # it may have left children of its own
                os.killpg(child.pid, wish)
            child.wait(PATIENCE_SECONDS)
        except (ProcessLookupError, PermissionError):  # all gone; on macOS the second
            return
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    os._exit(keep(sys.argv[1:]))  # the thread may still read
