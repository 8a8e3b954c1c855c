"""Scores in words and as a sheet of pictures."""

import numpy as np
import pytest
from PIL import Image

from consistentid.contact_sheet import CELL, DARK, draw_contact_sheet
from consistentid.face.face import Face
from consistentid.face.preview import CHOSEN
from consistentid.likeness.faces import Likeness, Reference, Score
from consistentid.likeness.regions import RegionScore
from consistentid.likeness.report import draw_scores, report_likeness, report_regions

NO_FACE = Score(None, None, None, 0)


def person(baseline=None, photos=1, faceless=(), recogniser="w600k_r50.onnx"):
    return Reference(np.eye(512)[0], baseline, photos, faceless, recogniser)


def score(cosine, place=0, faces=1, box=(10, 20, 60, 90)):
    return Score(cosine, Face(np.array(box, dtype=np.float32), np.zeros((5, 2)), 0.9, np.eye(512)[0]), place, faces)


def test_best_first_and_nothing_left_out():
    likeness = Likeness(person(), (score(0.25), NO_FACE, score(0.75, place=1, faces=3)))
    lines = report_likeness(likeness).splitlines()
    assert lines[0] == "Best: index 2, 0.750. Mean 0.500 over 2 of 3."
    assert "two or more reference photos" in lines[1]
    assert lines[2:] == ["index 2: 0.750 (index 1 of 3 faces, from the left)", "index 0: 0.250", "index 1: no face"]


def test_baseline_and_references_without_a_face():
    report = report_likeness(Likeness(person(0.6, photos=4, faceless=(1, 3)), (score(0.5),)))
    assert "A real photo scores 0.600: each of 2 against the mean of the others. No face in reference 1, 3." in report


def test_two_encoders_side_by_side():
    first = Likeness(person(), (score(0.4), score(0.7)))
    second = Likeness(person(0.5, 2, recogniser="glintr100.onnx"), (score(0.3), NO_FACE))
    lines = report_likeness(first, second).splitlines()
    assert lines[2] == "Second encoder glintr100.onnx: mean 0.300, best index 0; a real photo scores 0.500."
    assert lines[3:] == ["index 1: 0.700; second no face", "index 0: 0.400; second 0.300"]
    again = report_likeness(first, Likeness(person(), (score(0.4), score(0.7))))
    assert "same file as the first" in again
    assert "same file" not in report_likeness(
        Likeness(person(recogniser=""), first.scores), Likeness(person(recogniser=""), first.scores)
    )


def test_nobody():
    report = report_likeness(Likeness(person(), (NO_FACE, NO_FACE)))
    assert report.startswith("No face was found in any picture.") and report.count("no face") == 2


def test_regions_in_words():
    scores = [RegionScore(0.5, {"face": 0.75, "nose": 0.25}), None, RegionScore(None, {})]
    assert report_regions(scores).splitlines() == [
        "Mean 0.500 over 1 of 3.",
        "index 0: 0.500 (face 0.750, nose 0.250)",
        "index 1: no face",
        "index 2: no region in common",
    ]
    assert report_regions([None]) == "Nothing to compare.\nindex 0: no face"
    assert report_regions(scores, [0, 2]).startswith("Mean 0.500 over 1 of 3. No face in reference 0, 2.\n")


@pytest.mark.parametrize(("size_hw", "place"), [((100, 50), (slice(0, 256), slice(64, 192)))], ids=["tall"])
def test_pictures_are_fitted_into_tiles(size_hw, place):
    picture = Image.fromarray(np.full((*size_hw, 3), 200, np.uint8))
    sheet = np.asarray(draw_contact_sheet([(title, picture) for title in "abc"], 2, DARK, {2: CHOSEN}))
    assert sheet.shape == (2 * (CELL + 24), 2 * CELL, 3)
    assert (sheet[place] == 200).all() and not sheet[:CELL, :60].any()
    band = sheet[2 * CELL + 24 :, :CELL].astype(int)
    green = (band[..., 1] > band[..., 0] + 50) & (band[..., 1] > band[..., 2] + 50)
    assert green.any(), "the caption of the best is green"
    plain = sheet[CELL : CELL + 24].astype(int)
    assert plain.any() and np.abs(plain[..., 1] - plain[..., 0]).max() == 0
    assert not sheet[CELL + 24 :, CELL:].any(), "no fourth picture"


def test_the_face_that_counts_is_boxed():
    pictures = [np.full((256, 256, 3), 100, np.uint8)] * 2
    sheet = draw_scores(pictures, Likeness(person(), (NO_FACE, score(0.5))))
    assert sheet.shape == (CELL + 24, 2 * CELL, 3)
    assert (sheet[:CELL, :CELL] == 100).all(), "nothing is drawn where no face is"
    boxed = (sheet[:CELL, CELL:] != 100).any(axis=-1)
    rows, columns = np.flatnonzero(boxed.any(axis=1)), np.flatnonzero(boxed.any(axis=0))
    assert (columns[0], rows[0], columns[-1], rows[-1]) == (10, 20, 60, 90)
    assert all((picture == 100).all() for picture in pictures)
