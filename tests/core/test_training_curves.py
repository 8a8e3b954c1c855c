"""The log of a run and the picture of its curves, without training anything."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import consistentid.training.curves as curves
from consistentid.plots import smooth_values
from consistentid.training.log import Log
from consistentid.training.log_file import read_log, read_resumptions

draw_curves = curves.draw_curves


@pytest.fixture
def begin(tmp_path):
    """Begin the log of a run at a step."""
    return lambda step: Log(SimpleNamespace(output=str(tmp_path), steps=8, tensorboard=False), step)


def write(log, steps):
    for step in steps:
        log.write(step, {"loss": 1 / step, "learning_rate": 1e-4} | ({"mass": 0.1} if step % 2 else {}))
    log.close()


def test_a_run_leaves_its_curves_with_marks_where_it_went_on(begin, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "draw_curves", lambda found, **more: drawn.append((found, more)) or draw_curves(found))
    write(begin(0), range(1, 7))
    write(begin(4), range(5, 9))
    found, more = drawn[-1]
    assert {curve.title: list(curve.steps) for curve in found} == {
        "loss": [1, 2, 3, 4, 5, 6, 7, 8],
        "learning rate": [1, 2, 3, 4, 5, 6, 7, 8],
        "attention inside regions (mass)": [1, 3, 5, 7],
    }
    assert list(found[0].values) == [1 / step for step in range(1, 9)]
    assert more["marks"] == read_resumptions(tmp_path / "log.jsonl") == [4]
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3, 4, 5, 6, 7, 8]
    colours = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).reshape(-1, 3)
    blue = (np.abs(colours.astype(int) - (0, 0x72, 0xB2)).max(1) < 12).sum()
    assert blue > 500, "there are curves in it"


def test_a_run_that_has_nothing_to_do_is_not_marked(begin, tmp_path):
    write(begin(0), range(1, 9))
    before = (tmp_path / "curves.png").stat().st_mtime_ns
    write(begin(8), ())
    assert read_resumptions(tmp_path / "log.jsonl") == []
    assert (tmp_path / "curves.png").stat().st_mtime_ns == before


def test_while_it_goes_on_a_picture_is_drawn_now_and_then(begin, tmp_path, monkeypatch):
    log, clock = begin(0), SimpleNamespace(now=0.0)
    monkeypatch.setattr(curves, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(curves, "draw_log", lambda path: drawn.append(len(read_log(path))))
    log.curves.drawn, drawn = 0.0, []
    for step in range(1, 9):
        clock.now += curves.DRAWN_SECONDS / 3
        log.write(step, {"loss": 1.0})
    log.close()
    assert drawn == [3, 6, 8]


def test_without_matplotlib_a_run_says_so_once_and_goes_on(begin, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    log = begin(0)
    write(log, range(1, 5))
    log.write(5, {"loss": 1.0})
    log.close()
    assert capsys.readouterr().out.count("No curves.png: ") == 1
    assert not (tmp_path / "curves.png").exists() and len(read_log(tmp_path / "log.jsonl")) == 5


def test_a_piece_of_a_line_is_left_out(begin, tmp_path):
    write(begin(0), range(1, 4))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": 4, "loss": 1.0})[:9])
    write(begin(3), [4])
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3, 4]


def test_a_smoothed_curve_keeps_its_beginning_and_its_mean():
    steep = [100.0, 10.0, 1.0] + [1.0] * 97
    assert smooth_values(steep)[:2] == [100.0, 10.0] and smooth_values(steep)[50:] == [1.0] * 50
    rng = np.random.default_rng(0)
    smoothed = smooth_values(list(rng.normal(5, 1, 400)))
    assert np.std(smoothed[100:]) < 0.3 and np.mean(smoothed[100:]) == pytest.approx(5, abs=0.1)
