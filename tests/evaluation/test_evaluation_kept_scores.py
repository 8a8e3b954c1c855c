"""A folder scored by several threads, stopped and gone on with: the scores of one thread in one run, to the digit."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.errors import ConsistentIDError
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.kept_scores import FILE
from consistentid.evaluation.outcome import score_gallery
from consistentid.evaluation.scoring import Scorer
from consistentid.evaluation.scoring_models import ScoringModels


@pytest.fixture
def models(clip_folder, dino_folder, zoo_models):
    parser = zoo_models / "face_parsing.safetensors"
    return ScoringModels(str(clip_folder), str(dino_folder), face_parser=str(parser))


@pytest.fixture
def gallery(plan, tmp_path):
    """Every case drawn: one noise each."""
    gallery = Gallery(tmp_path / "run")
    gallery.claim({"engine": "none"})
    for number, case in enumerate(plan.cases):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(gallery.find_picture(case))
        gallery.find_picture(case).with_suffix(".json").write_text('{"seconds": 2.0, "error": ""}')
    return gallery


def score(plan, gallery, models, workers=1, on_case=lambda done, total: None) -> str:
    scorer = Scorer(models, workers)
    scorer.learn(plan)
    return json.dumps(score_gallery(plan, gallery, scorer, on_case=on_case))


@pytest.fixture
def scored(monkeypatch):
    """The pictures that models see."""
    scored, measure = [], Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda *given: scored.append(given[1:3]) or measure(*given))
    return scored


def test_several_threads_and_cores_change_no_digit(plan, gallery, models):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        alone = score(plan, gallery, models)
        assert torch.get_num_threads() == 2, "drawing has all cores again"
        (gallery.folder / FILE).unlink()
        torch.set_num_threads(1)
        assert score(plan, gallery, models, workers=3) == alone and '"clip_t": ' in alone and '"fgis": ' in alone
    finally:
        torch.set_num_threads(threads)


def test_a_scoring_that_was_stopped_goes_on(plan, gallery, models, scored):
    counts = []

    def stop(done, total):
        counts.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(plan, gallery, models, on_case=stop)
    assert counts == [(0, 4), (1, 4), (2, 4)] and len(scored) < 4, "nobody goes on behind the stopped run"
    kept = (gallery.folder / FILE).read_text()
    (gallery.folder / FILE).write_text(f'{kept}["half of a li')  # as where a process was killed
    scored.clear()
    whole = score(plan, gallery, models, on_case=lambda *count: counts.append(count))
    assert len(scored) == 2 and counts[3:] == [(0, 2), (1, 2), (2, 2)]
    assert len((gallery.folder / FILE).read_text().splitlines()) == 4
    (gallery.folder / FILE).unlink()
    assert score(plan, gallery, models) == whole


def test_what_changed_is_scored_anew(plan, gallery, models, scored, dino_folder):
    first = score(plan, gallery, models)
    scored.clear()
    assert score(plan, gallery, models) == first and not scored
    Image.new("RGB", (64, 64), "red").save(gallery.find_picture(plan.cases[1]))
    assert score(plan, gallery, models) != first
    assert scored == [(plan.cases[1].person, plan.cases[1].prompt)]
    scored.clear()
    assert "clip_t" not in json.loads(score(plan, gallery, ScoringModels(dino=str(dino_folder))))["summary"]
    assert len(scored) == 4, "by other models"
    ada = plan.people["ada"][0]
    Image.open(ada).point(lambda value: value // 2).save(ada)
    scored.clear()
    score(plan, gallery, ScoringModels(dino=str(dino_folder)))
    assert scored == [(case.person, case.prompt) for case in plan.cases if case.person == "ada"]


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_kept(plan, gallery, models, scored):
    gallery.find_picture(plan.cases[3]).write_bytes(b"no picture")
    with pytest.raises(ConsistentIDError, match=rf"{plan.cases[3].file} cannot be read as a picture"):
        score(plan, gallery, models)
    Image.new("RGB", (64, 64)).save(gallery.find_picture(plan.cases[3]))
    scored.clear()
    score(plan, gallery, models, workers=2)
    assert len(scored) == 1
