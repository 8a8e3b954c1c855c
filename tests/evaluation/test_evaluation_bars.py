"""Bars of a report: where they begin and end, and what the page folds away."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from consistentid.evaluation.bars import make_bars, make_differences
from consistentid.evaluation.page import inline_picture


def make_outcome(title: str, scores: dict[str, list[float]], real: float | None = None) -> dict:
    """A run of the one person ada, with a score of each picture."""
    from consistentid.evaluation.outcome import _summarise_rows

    rows = [
        {
            "key": str(number),
            "person": "ada",
            "prompt": "a hat",
            "seed": number,
            "picture": "",
            "error": "",
            "scores": {metric: values[number] for metric, values in scores.items()},
        }
        for number in range(len(next(iter(scores.values()))))
    ]
    models = {"face_package": {"sha256": "0"}, "clip": {"sha256": "1"}}
    about = {"title": title, "real_photo": {"ada": {"face_sim": real}}, "scorers": models, "fid": None}
    return about | {"not_measured": {}, "notes": []} | _summarise_rows(rows)


def test_bars_begin_at_nothing_and_end_at_the_mean():
    runs = [
        make_outcome("one", {"face_sim": [0.1, 0.3], "clip_t": [-0.1, 0.3]}, real=0.8),
        make_outcome("two", {"face_sim": [0.4, 0.4], "clip_t": [0.2, 0.2]}),
    ]
    text, likeness = make_bars(runs)
    assert (text.title, likeness.title) == ("CLIP-T", "FaceSim") and likeness.note.endswith("higher is better")
    assert [(bar.title, bar.left, bar.width, bar.beside) for bar in likeness.bars] == [
        ("one", 0.0, 25.0, False),
        ("two", 0.0, 50.0, False),
        ("real photos", 0.0, 100.0, True),
    ]
    one = likeness.bars[0]
    assert (one.low, one.high, one.text) == (12.5, 37.5, "0.200 [0.100, 0.300]")
    assert text.zero == 25.0, "from -0.1 to 0.3"
    assert [(bar.left, bar.width) for bar in text.bars] == [(25.0, 25.0), (25.0, 50.0)]


def test_differences_are_less_the_first():
    runs = [make_outcome("one", {"face_sim": [0.3, 0.5]}), make_outcome("two", {"face_sim": [0.1, 0.2]})]
    (likeness,) = make_differences(runs)
    (bar,) = likeness.bars
    assert likeness.zero == 100.0 and bar.left + bar.width == 100.0
    assert bar.title == "two" and bar.text == "-0.250 [-0.300, -0.200], better in 0%"
    assert make_differences(runs[:1]) == []


def test_a_run_of_which_nothing_was_measured_has_no_bars():
    outcome = make_outcome("one", {"face_sim": [0.3]})
    assert [bar.low for bar in make_bars([outcome])[0].bars] == [None], "one picture has no interval"
    assert make_bars([outcome | {"summary": {}}]) == []


@pytest.mark.parametrize(("side", "shown"), [(128, 384), (200, 200), (512, 384)])
def test_a_small_picture_is_enlarged_without_blur(side, shown, tmp_path):
    board = np.indices((side, side)).sum(0) // 16 % 2 * 255
    Image.fromarray(board.astype(np.uint8)).convert("RGB").save(tmp_path / "board.png")
    data = re.fullmatch("data:image/jpeg;base64,(.*)", inline_picture(tmp_path / "board.png"))[1]
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == (shown, shown)
    if shown > side:
        grey = (np.abs(np.asarray(picture.convert("L")).astype(int) - 128) < 64).mean()
        assert grey < 0.01, "black and white stay apart"
