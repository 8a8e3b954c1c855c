"""`python -m benchmarks.gpu`: parts in processes of their own, what is left of one that fails, tables, the docs."""

import json

import pytest

from benchmarks import gpu
from benchmarks.gpu_tables import ESTIMATED, make_tables, write_docs

CHILD = """
import json, sys, time
part, file = sys.argv[1:3]
open(file, "w").write(json.dumps({"device": "CPU", "missing": ["torchsde"]} if part == "packages" else {"steps": 3}))
if part == "precision_sd15":
    raise ValueError("too far off")
if part == "step_sd15":
    time.sleep(60)
"""
STEP = {"plain": {"seconds": 0.02}, "adapter": {"seconds": 0.02, "to_plain": 1.012, "to_authors": 0.8}}
SWITCHING = {"apply": {"seconds": 0.1, "to_load": 0.5}}
PARTS = {
    "packages": {"device": "Card X", "device_bytes": 80 * 10**9, "torch": "2.11", "comfyui": "0.33.0"},
    "step_sd15": {"step": STEP, "switching": SWITCHING, "memory": {"owned": 8, "needed": 8}},
    "picture_sdxl": {"size_px": [864, 1152], "steps": 50, "person": {"seconds": 5.05}, "plain": {"seconds": 5.0}},
    "memory_sd15": {
        "portrait": {"seconds": 2.0, "peak_bytes": 2_340_000_000, "in_parts": False},
        "8 GB": {"seconds": 3.0, "peak_bytes": 1_500_000_000, "in_parts": True},
        "6 GB": {"error": "CUDA out of memory"},
    },
    "training": {"steps": 300, "step_seconds": 0.05, "batch": 4, "losses": [1.0, 0.5]},
}


@pytest.fixture
def report():
    parts = {name: {"state": "done", "seconds": 1.0, "figures": figures} for name, figures in PARTS.items()}
    return {"small": False, "asked": "cuda", "parts": parts}


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Parts without their work, and a folder that looks like ComfyUI."""
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "comfy").mkdir()
    monkeypatch.setattr(gpu, "CHILD", tmp_path / "child.py")
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))


@pytest.mark.usefixtures("child")
def test_a_part_that_fails_or_takes_too_long_leaves_what_it_had(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "SLOWER", {"cpu": 1})
    monkeypatch.setattr(gpu, "LIMITS", gpu.LIMITS | {"step_sd15": 1})
    parts = ["packages", "precision_sd15", "step_sd15", "picture_sd15"]
    assert gpu.main([str(tmp_path / "out"), "--device", "cpu", "--small", "--parts", *parts]) == 1
    told = json.loads((tmp_path / "out" / "gpu.json").read_text())["parts"]
    states = ["done", "failed: ValueError: too far off", "stopped after 1 s", "done"]
    assert [told[part]["state"] for part in parts] == states
    assert all(told[part]["figures"] for part in parts)
    assert "lacks for ComfyUI: torchsde" in capsys.readouterr().out
    text = (tmp_path / "out" / "gpu.md").read_text()
    assert "- step_sd15: stopped after 1 s" in text and "the figures say nothing" in text


@pytest.mark.usefixtures("child")
def test_without_a_card_or_a_comfyui_it_says_so_and_ends(tmp_path, capsys):
    assert gpu.main([str(tmp_path), "--comfyui", str(tmp_path / "comfy")]) == 1
    assert "is no folder of ComfyUI: name it with --comfyui" in capsys.readouterr().out
    assert gpu.main([str(tmp_path)]) == 1
    assert "No CUDA device was found" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "gpu.json").read_text())["parts"]) == ["packages"]


def test_tables(report):
    text = make_tables(report)
    for row in (
        "Card X (80 GB), torch 2.11, ComfyUI 0.33.0",
        "| the same / plain | 1.012 | - | 1.02 |",
        "| applying the adapter / reading its file | 0.50 (0.100 s) | - | 1.0 |",
        "| a picture, from prompt to pixels | - | 5.05 s |",
        "| with / without | - | 1.010 |",
        "| portrait | 2.3 GB, 2.0 s | - |",
        "| portrait on a card of 8 GB | 1.5 GB, 3.0 s, loaded in parts | - |",
        "| portrait on a card of 6 GB | CUDA out of memory | - |",
        "0.050 s a step of 4, 80.0 pictures a second, loss 1.000 to 0.500",
    ):
        assert row in text


def test_the_docs_have_places_for_the_tables(report, tmp_path):
    """In copies; a second run replaces the first."""
    names = ("docs/benchmarks.md", "docs/models.md", "README.md")
    (tmp_path / "docs").mkdir()
    for name in names:
        (tmp_path / name).write_text((gpu.ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert ESTIMATED in (tmp_path / "README.md").read_text(encoding="utf-8")
    write_docs(report, tmp_path)
    once = [(tmp_path / name).read_text(encoding="utf-8") for name in names]
    assert all("Card X" in text for text in once[:2]) and ESTIMATED not in once[2]
    write_docs(report, tmp_path)
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in names] == once


def test_a_trial_does_not_get_into_the_docs(report, tmp_path):
    with pytest.raises(ValueError, match="trial on Card X"):
        write_docs(report | {"small": True}, tmp_path)
    report["parts"]["packages"]["figures"]["device"] = "CPU"
    with pytest.raises(ValueError, match="trial on CPU"):
        write_docs(report, tmp_path)
