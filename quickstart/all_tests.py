"""The `test` command: what needs no ComfyUI once, then the tests of the host, the server and the browser on every
ComfyUI found, but for those that the newest alone can tell; at the end what was proved on each, and what was not.
Standard library only."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from . import REPO
from .comfyui_folder import find_every_comfyui, read_version, write_version
from .failure import Failure
from .kept_process import await_kept, start_kept
from .layered_environment import prepare_layer
from .project_environment import PYTHON, list_requirements, prepare_environment
from .run_summary import read_report, summarise

# Two processes, each file of tests in one of them: each holds a ComfyUI, so more would need much memory.
PYTEST = ("-m", "pytest", "-n", "2", "--dist", "loadfile")
EDITOR = re.compile(r"comfyui-frontend-package==([\d.]+)$")
# The newest editor the pack is tested with. People update the editor before ComfyUI, which pins an older one.
NEWEST_EDITOR = (1, 58, 1)
NOTHING_CHOSEN = 5  # pytest's exit code


@dataclass(frozen=True)
class Part:
    """python: has what the ComfyUI needs. choice: of the tests, for pytest's --part."""

    title: str
    python: Path
    comfyui: Path | None
    choice: str = ""


def run_tests(pytest_arguments):
    """The exit code: 0 when tests ran and none failed in any part."""
    if not (REPO / "tests").is_dir():
        raise Failure("The archive of the registry holds no tests. Clone the repository to run them.")
    parts, reports, codes, began = plan_parts(find_every_comfyui()), {}, [], time.monotonic()
    try:
        for part in parts:
            print(f"\n##### {part.title}", flush=True)
            codes.append(_run_part(part, pytest_arguments, reports))
    finally:
        print("\n" + summarise([part.title for part in parts], reports, time.monotonic() - began), flush=True)
    return next((code for code in codes if code not in (0, NOTHING_CHOSEN)), min(codes))


def plan_parts(comfyuis):
    """Parts of the run, with their environments made."""
    first = comfyuis[0] if comfyuis else None
    prepare_environment(first)
    if not first:
        print("No ComfyUI found: the tests that need one will be skipped. COMFYUI_PATH=... names one.", flush=True)
        return [Part("with no ComfyUI", PYTHON, None)]
    newest = max(comfyuis, key=read_version) if len(comfyuis) > 1 else None
    own = list_requirements(first)
    parts = [Part("needing no ComfyUI", PYTHON, first, "rest")]
    for comfyui in comfyuis:
        lines = list_requirements(comfyui)
        older = newest is not None and comfyui != newest
        if comfyui == newest:
            lines = [_take_newest_editor(line) for line in lines]
        python = PYTHON if lines == own else prepare_layer(comfyui, lines)
        parts.append(Part(_name_host(comfyui, lines), python, comfyui, "older host" if older else "host"))
    return parts


def _take_newest_editor(line):
    pinned = EDITOR.match(line)
    older = pinned and tuple(map(int, pinned[1].split("."))) < NEWEST_EDITOR
    return f"comfyui-frontend-package=={write_version(NEWEST_EDITOR)}" if older else line


def _name_host(comfyui, lines):
    editor = next((f", editor {pinned[1]}" for pinned in map(EDITOR.match, lines) if pinned), "")
    return f"on ComfyUI {write_version(read_version(comfyui))}{editor}"


def _run_part(part, pytest_arguments, reports):
    """pytest's exit code; its report goes to `reports`, also when the run is broken off."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [part.python, *PYTEST, "--report", report, *(["--part", part.choice] if part.choice else [])]
        environment = os.environ | ({"COMFYUI_PATH": str(part.comfyui)} if part.comfyui else {})
        process = start_kept([*command, *pytest_arguments], cwd=REPO, env=environment)
        try:
            return await_kept(process)
        finally:
            reports[part.title] = read_report(report)
