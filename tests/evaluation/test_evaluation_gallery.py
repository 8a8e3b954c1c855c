"""Pictures are kept, missing ones drawn, and pictures of other settings never mixed in."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from consistentid.evaluation.engine import Drawing, DrawingError, Engine, EngineError
from consistentid.evaluation.gallery import Entry, Gallery


class Painter(Engine):
    """Paints the seed; fails while `failing` holds the prompt."""

    def __init__(self, style="oil"):
        self.style, self.failing, self.asked = style, set(), []

    def describe(self):
        return {"engine": "painter", "paint": {"style": self.style}}

    def draw(self, photo, prompt, seed):
        self.asked.append((photo.stem, prompt, seed))
        if prompt in self.failing:
            raise DrawingError(f"no {prompt}")
        return Drawing(Image.new("RGB", (32, 48), (seed, 0, 0)), 1.5)


def test_only_missing_pictures_are_drawn(plan, tmp_path):
    gallery, painter, progress = Gallery(tmp_path / "out"), Painter(), []
    assert gallery.draw_missing(plan, painter, "photo of {prompt}", lambda *done: progress.append(done)) == 4
    assert painter.asked == [(c.person, f"photo of {c.prompt}", 7) for c in plan.cases] and progress[-1] == (4, 4)
    assert [gallery.read_entry(case).seconds for case in plan.cases] == [None, 1.5, 1.5, 1.5], "loading is no drawing"
    first = plan.cases[1]
    assert gallery.read_picture(first).shape == (48, 32, 3) and gallery.read_picture(first)[0, 0].tolist() == [7, 0, 0]
    record = json.loads(gallery.find_picture(first).with_suffix(".json").read_text())
    assert record == {"person": "ada", "prompt": "a blue coat", "seed": 7, "seconds": 1.5, "error": ""}
    gallery.find_picture(first).unlink()
    gallery.find_picture(plan.cases[2]).with_suffix(".json").write_text('{"person": "a')
    painter.asked.clear()
    assert Gallery(tmp_path / "out").draw_missing(plan, painter, "photo of {prompt}") == 2
    assert [(person, prompt[9:]) for person, prompt, _ in painter.asked] == [
        (case.person, case.prompt) for case in plan.cases[1:3]
    ]


def test_a_failure_is_noted_and_tried_again(plan, tmp_path):
    gallery, painter = Gallery(tmp_path), Painter()
    painter.failing = {"a red hat"}
    assert gallery.draw_missing(plan, painter, "{prompt}") == 2
    assert [gallery.read_entry(case).error for case in plan.cases] == ["no a red hat", "", "no a red hat", ""]
    painter.failing = set()
    assert gallery.draw_missing(plan, painter, "{prompt}") == 2
    assert [gallery.read_entry(case) for case in plan.cases] == [Entry(None), Entry(None), Entry(1.5), Entry(1.5)]


def test_it_gives_up_when_nothing_works(photos, tmp_path):
    from consistentid.evaluation.plan import read_plan

    painter = Painter()
    painter.failing = {"a red hat"}
    (photos / "p.csv").write_text("photo,prompt\nada.png,a red hat\n")
    with pytest.raises(EngineError, match=r"5 pictures failed one after another.*no a red hat"):
        Gallery(tmp_path / "o").draw_missing(read_plan(photos / "p.csv", seeds=range(9)), painter, "{prompt}")
    assert len(painter.asked) == 5


def test_one_person_whom_an_engine_cannot_draw_does_not_stop_the_others(plan, tmp_path):
    painter, gallery = Painter(), Gallery(tmp_path / "out")
    cases = [replace(case, seed=seed, key=f"{case.key}{seed}") for case in plan.cases for seed in range(5)]
    plan = replace(plan, cases=tuple(cases))

    def draw(photo, prompt, seed, draw=painter.draw):
        if photo.stem == "ada":
            raise DrawingError("no face")
        return draw(photo, prompt, seed)

    painter.draw = draw
    assert gallery.draw_missing(plan, painter, "{prompt}") == 10
    painter.failing = {case.prompt for case in cases}
    for case in cases[10:]:
        gallery.find_picture(case).unlink()
    with pytest.raises(EngineError, match="11 pictures failed one after another"):
        gallery.draw_missing(plan, painter, "{prompt}")


def test_pictures_of_other_settings_are_not_mixed(plan, tmp_path):
    gallery = Gallery(tmp_path / "out")
    gallery.draw_missing(plan, Painter(), "{prompt}")
    before = {path: path.read_bytes() for path in gallery.folder.rglob("*.*")}
    other = replace(plan, cases=plan.cases[:1])
    with pytest.raises(EngineError, match=r"drawn otherwise; different: paint\.style\."):
        gallery.draw_missing(other, Painter("chalk"), "{prompt}")
    with pytest.raises(EngineError, match=r"different: template\."):
        gallery.draw_missing(plan, Painter(), "{prompt}, img")
    with pytest.raises(EngineError, match=r"has no \{prompt\}"):
        gallery.draw_missing(plan, Painter(), "hat")
    assert {path: path.read_bytes() for path in gallery.folder.rglob("*.*")} == before


def test_a_picture_appears_whole_or_not_at_all(plan, tmp_path):
    class Cut(Painter):
        def draw(self, photo, prompt, seed):
            drawing = super().draw(photo, prompt, seed)
            drawing.image.save = lambda file, **_: (file.write_bytes(b"half"), 1 / 0)
            return drawing

    gallery = Gallery(tmp_path)
    with pytest.raises(ZeroDivisionError):
        gallery.draw_missing(plan, Cut(), "{prompt}")
    assert gallery.read_entry(plan.cases[0]) is None and not gallery.find_picture(plan.cases[0]).exists()
    assert gallery.draw_missing(plan, Painter(), "{prompt}") == 4
    assert np.ptp(gallery.read_picture(plan.cases[0])[..., 0]) == 0
