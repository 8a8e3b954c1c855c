"""Means, intervals, pairs and tables, by hand."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from consistentid.evaluation import outcome
from consistentid.evaluation.gallery import Gallery
from consistentid.evaluation.outcome import compare_outcomes, score_gallery
from consistentid.evaluation.scoring import Known, Scorer, ScoringModels
from consistentid.evaluation.summary import (
    compare_pairs,
    count_failures,
    estimate_mean,
    summarise,
    summarise_groups,
    summarise_regions,
)
from consistentid.face.dlib_models import RECOGNISER, SCALE
from consistentid.fingerprint import describe_file
from consistentid.likeness.faces import Reference


def row(person, prompt, error="", **scores):
    return {"key": f"{person} {prompt}", "person": person, "prompt": prompt, "error": error, "scores": scores}


def test_a_mean_and_its_interval():
    """Of a large normal sample the interval is the textbook's: 1.96 standard errors to both sides."""
    values = np.random.default_rng(0).normal(3, 2, 400)
    estimate = estimate_mean(values.tolist())
    error = 1.96 * values.std(ddof=1) / 20
    assert (estimate.mean, estimate.n, estimate.by_person) == (pytest.approx(values.mean()), 400, None)
    assert estimate.interval == pytest.approx((values.mean() - error, values.mean() + error), abs=0.04)
    assert estimate == estimate_mean(values.tolist()), "the same values give the same interval"


def test_people_weigh_more_than_pictures():
    """Four people who differ, ten equal pictures each: drawing other people moves the mean, other pictures hardly."""
    values, people = [1.0] * 10 + [2.0] * 10 + [3.0] * 10 + [4.0] * 10, [name for name in "abcd" for _ in range(10)]
    estimate = estimate_mean(values, people)
    by_picture, by_person = (high - low for low, high in (estimate.interval, estimate.by_person))
    # Standard deviation 1.118: over sqrt(40) for pictures and sqrt(4) for people.
    assert by_picture == pytest.approx(2 * 1.96 * 1.118 / 40**0.5, rel=0.15)
    assert by_person == pytest.approx(2 * 1.96 * 1.118 / 2, rel=0.2)


def test_few_values():
    assert estimate_mean([]) is None
    assert estimate_mean([0.5]).interval is None
    assert estimate_mean([0.5, 0.5]).interval == (0.5, 0.5)
    assert estimate_mean([0.0, 1.0], ["a", "b"]).by_person is None


ROWS = [
    row("ada", "hat", face_sim=0.8, dino=0.5, regions={"nose": 0.9}, seconds=2.0),
    row("ada", "coat", face_sim=None, dino=0.7, regions={}),
    row("ben", "hat", face_sim=0.4, dino=0.6, regions={"nose": 0.7, "eyes": 0.2}, seconds=4.0),
    row("ben", "coat", error="out of memory"),
]


def test_a_picture_without_a_face_counts_as_zero_and_an_undrawn_one_not_at_all():
    summary = summarise(ROWS)
    assert (summary["face_sim"]["mean"], summary["face_sim"]["n"]) == (pytest.approx(0.4), 3)
    assert (summary["dino"]["mean"], summary["dino"]["n"]) == (pytest.approx(0.6), 3)
    assert (summary["seconds"]["mean"], summary["seconds"]["n"]) == (3.0, 2)
    assert "clip_t" not in summary, "what was not measured is not there"
    assert count_failures(ROWS) == {"cases": 4, "not_drawn": 1, "face_sim": 1}


def test_groups_and_regions():
    people, prompts = summarise_groups(ROWS, "person"), summarise_groups(ROWS, "prompt")
    assert people["ada"]["face_sim"]["mean"] == pytest.approx(0.4) and people["ben"]["face_sim"]["n"] == 1
    assert list(prompts) == ["hat", "coat"] and prompts["hat"]["dino"]["mean"] == pytest.approx(0.55)
    regions = summarise_regions(ROWS)
    assert (regions["nose"]["mean"], regions["nose"]["n"], regions["eyes"]["n"]) == (pytest.approx(0.8), 2, 1)


def test_pairs():
    other = [
        row("ben", "hat", face_sim=0.5, seconds=3.0),
        row("ada", "hat", face_sim=0.6, seconds=1.0),
        row("ada", "coat", face_sim=None),
        row("eve", "hat", face_sim=1.0),
    ]
    found = compare_pairs(ROWS, other, ["face_sim", "dino", "seconds"])
    assert found["face_sim"]["mean"] == pytest.approx((-0.2 + 0.0 + 0.1) / 3) and found["face_sim"]["n"] == 3
    assert found["face_sim"]["better"] == pytest.approx(0.5), "one better, one worse, one equal"
    assert found["seconds"]["mean"] == -1.0 and found["seconds"]["better"] == 1.0, "less time is better"
    assert "dino" not in found


def test_scores_of_different_models_are_not_compared():
    def score(dino, package):
        return {"scorers": {"dino": {"sha256": dino}, "face_package": {"sha256": package}}, "cases": ROWS}

    same, other = score("1", "2"), score("9", "2")
    assert compare_outcomes(same, same)["metrics"].keys() == {"dino", "face_sim", "seconds"}
    found = compare_outcomes(same, other)
    assert found["metrics"].keys() == {"face_sim", "seconds"}
    assert found["skipped"] == {"dino": "not compared: measured with different models"}


def test_fid_is_of_the_drawn_pictures_and_the_real_photos(plan, photos, tmp_path, monkeypatch):
    """Undrawn pictures are left out; without --real the photos of the plan are the real ones."""
    gallery, seen = Gallery(tmp_path / "run"), []
    gallery.claim({"engine": "none"})
    for case in plan.cases[1:]:
        Image.new("RGB", (20, 30), "red").save(gallery.find_picture(case))
        gallery.find_picture(case).with_suffix(".json").write_text('{"seconds": 2.0, "error": ""}')

    def measure(pictures, real):
        seen.append((pictures, real))
        return 12.5

    monkeypatch.setattr(Scorer, "inception", SimpleNamespace(read=lambda picture: picture.shape))
    monkeypatch.setattr(outcome, "measure_fid", measure)
    scorer = Scorer(ScoringModels(inception=str(photos / "ada.png")))
    scorer.learn(plan)
    report = score_gallery(plan, gallery, scorer)
    assert report["fid"] == {"value": 12.5, "pictures": 3, "real": 2} and report["summary"]["seconds"]["n"] == 3
    assert seen == [([(30, 20, 3)] * 3, [(512, 512, 3)] * 2)]
    (tmp_path / "real").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "real" / "x.png")
    assert score_gallery(plan, gallery, scorer, str(tmp_path / "real"))["fid"]["real"] == 1
    monkeypatch.undo()
    report = score_gallery(plan, gallery, scorer)  # a photo is no weights file
    assert report["fid"] is None and "not measured: " in report["not_measured"]["fid"]


def test_the_recognisers_are_recorded_and_another_scale_is_told(plan, tmp_path):
    gallery, scorer = Gallery(tmp_path / "run"), Scorer(ScoringModels())
    gallery.claim({"engine": "none"})
    names = {"face_sim": "w600k_r50.onnx", "face_sim_second": RECOGNISER}
    faces = {metric: Reference(np.eye(4)[0], 0.9, 2, (), name) for metric, name in names.items()}
    scorer.people["ada"] = Known(None, None, faces, None, {})
    run = outcome._describe_run(plan, gallery, scorer)
    assert run["recognisers"] == names and run["notes"] == [f"FaceSim, second: {SCALE}"]
    scorer.people["ada"] = Known(None, None, {"face_sim": faces["face_sim"]}, None, {})
    assert outcome._describe_run(plan, gallery, scorer)["notes"] == []


def test_a_second_opinion_that_is_none_is_told(plan, photos, tmp_path):
    """By content: a package that drew the pictures, or that is the first one again."""
    packages = {name: str(shutil.copytree(photos, tmp_path / name)) for name in ("first", "again")}
    gallery = Gallery(tmp_path / "run")
    gallery.claim({"engine": "headless", "settings": {"face_package": describe_file(packages["first"])}})

    def list_notes(first, second):
        models = ScoringModels(face_package=first, second_package=second)
        return outcome._describe_run(plan, gallery, Scorer(models))["notes"]

    (same, flattering) = list_notes(packages["first"], packages["again"])
    assert "tells nothing new" in same and "conditioned the pictures" in flattering
    (tmp_path / "again" / "more.onnx").write_bytes(b"other")
    assert list_notes(packages["first"], packages["again"]) == []
    assert list_notes(packages["again"], "") == []
