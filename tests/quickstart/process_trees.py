"""Start a process, look at everything below it, end it, see that all of it is gone."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


def start_script(script: str, *arguments, **options):
    """The process of a Python script that prints one line when it is ready, and that line.

    The script finds the repository's packages.
    """
    command = [sys.executable, "-c", f"import sys\nsys.path.append({str(ROOT)!r})\n{script}"]
    process = start([*command, *arguments], **options)
    return process, process.stdout.readline().strip()


def start(command, **options):
    """A process whose output is read, and which signals end: jobs in the background ignore some of them."""
    if os.name != "nt":
        wishes = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        options["preexec_fn"] = lambda: [signal.signal(wish, signal.SIG_DFL) for wish in wishes]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, **options)
    atexit.register(process.kill)  # after a test that failed
    return process


def list_tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def await_end(processes: list[psutil.Process], seconds: float) -> None:
    """Fails when one is still there after the seconds; nothing stays behind then either."""
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    commands = [describe(process) for process in left]
    for process in left:
        process.kill()
    assert not commands


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def describe(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.NoSuchProcess:
        return f"{process.pid}, which ended just now"
