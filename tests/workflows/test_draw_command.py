"""`python scripts/workflows`, as people run it; on one ComfyUI, since test_workflows.py draws on all."""

import subprocess
import sys

import pytest

from scripts.workflows.files import FILES, ROOT, write_changed


@pytest.mark.slow
def test_it_draws_what_is_there_already(comfyui):
    if not comfyui:
        pytest.skip("no ComfyUI: set COMFYUI_PATH, or install one to ~/comfy/ComfyUI")
    before = {path: path.stat().st_mtime_ns for path in FILES}
    command = [sys.executable, str(ROOT / "scripts" / "workflows"), "--comfyui", str(comfyui)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent)
    assert run.returncode == 0, run.stderr
    assert "changed" not in run.stdout and f"{len(FILES)} files" in run.stdout
    assert {path: path.stat().st_mtime_ns for path in FILES} == before


def test_only_what_changed_is_written(tmp_path):
    same, other, new = (tmp_path / name for name in ("same", "other", "new"))
    same.write_bytes(b"1\n")
    other.write_bytes(b"1\n")
    assert write_changed({same: "1\n", other: "2\n", new: "é\n"}) == [other, new]
    assert (other.read_bytes(), new.read_bytes()) == (b"2\n", "é\n".encode())


def test_a_folder_that_is_no_comfyui_is_one_clear_message(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "workflows"), "--comfyui", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr.startswith(f"No ComfyUI in {tmp_path}")
