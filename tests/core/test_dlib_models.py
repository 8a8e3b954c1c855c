"""dlib's recogniser with a stand-in of the package; tests/real has it itself."""

import hashlib
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from consistentid.errors import CheckpointError, FaceNotFoundError, IncompatibleModelError, MissingPackageError
from consistentid.face import dlib_models
from consistentid.face.dlib_models import LANDMARKS, LIMIT, MODEL_ID, RECOGNISER, SCALE
from consistentid.face.package import load_face_analysis
from consistentid.face.search import detect_faces
from consistentid.likeness.faces import score_pictures
from consistentid.likeness.report import report_likeness
from consistentid.model_files.manifest import read_manifest


class Box(SimpleNamespace):
    """dlib.rectangle."""

    def __init__(self, *sides):
        super().__init__(sides=sides)

    left, top, right, bottom = (lambda self, place=place: self.sides[place] for place in range(4))


@pytest.fixture
def dlib(monkeypatch):
    """A module that finds a face where a photo is white and describes it by its red and green."""
    module, module_runs = ModuleType("dlib"), []

    def run(picture, upsample, limit):
        module_runs.append((picture.shape, limit))
        rows, columns = np.nonzero((picture > 200).any(axis=2))
        if not len(rows) or columns.min() == 0:  # a face that touches the border is missed
            return [], [], []
        return [Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)], [LIMIT + 2.0], [0]

    def describe(photo, box):
        left, top, right, bottom = (max(side, 0) for side in box.sides)
        colour = photo[top:bottom, left:right].mean(axis=(0, 1)) / 255
        return [*colour, *np.full(125, 0.1)]

    module.get_frontal_face_detector = lambda: SimpleNamespace(run=run)
    module.shape_predictor = lambda path: lambda photo, box: box
    module.face_recognition_model_v1 = lambda path: SimpleNamespace(compute_face_descriptor=describe)
    module.rectangle, module.runs = Box, module_runs
    monkeypatch.setitem(sys.modules, "dlib", module)
    return module


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A package whose files are those of the manifest, for these tests."""
    files = []
    for file in read_manifest()[MODEL_ID].files:
        (tmp_path / file.path).write_bytes(file.path.encode())
        files.append(replace(file, sha256=hashlib.sha256(file.path.encode()).hexdigest()))
    model = replace(read_manifest()[MODEL_ID], files=tuple(files))
    monkeypatch.setattr(dlib_models, "read_manifest", lambda: {MODEL_ID: model})
    return tmp_path


def draw(colour, size=(300, 400), box=(100, 60, 180, 150)):
    photo = np.zeros((*size, 3), np.uint8)
    photo[box[1] : box[3], box[0] : box[2]] = colour
    return photo


def test_faces_in_pixels_of_the_photo(dlib, folder):
    analysis = load_face_analysis(folder)
    (face,) = detect_faces(analysis, draw((255, 0, 0)), any_recogniser=True)
    np.testing.assert_allclose(face.box, [100, 60, 180, 150], atol=1)
    assert face.landmarks is None and face.recogniser == RECOGNISER and not face.padded
    assert face.id_embedding.shape == (128,) and np.linalg.norm(face.id_embedding) == pytest.approx(1, abs=1e-5)
    assert face.score == pytest.approx(1 / (1 + np.exp(-2))), "2 above the limit"
    ((shape, limit),) = dlib.runs
    assert shape[:2] == (600, 800) and limit == pytest.approx(LIMIT), "twice enlarged; 0.5 is the limit"


@pytest.mark.parametrize(("size", "searched"), [((3000, 4000), (1500, 2000)), ((1000, 500), (2000, 1000))], ids=str)
def test_large_photos_are_searched_smaller(size, searched, dlib, folder):
    photo = draw((255, 0, 0), size, (100, 200, 300, 500))
    (face,) = detect_faces(load_face_analysis(folder), photo, threshold=0.9, any_recogniser=True)
    np.testing.assert_allclose(face.box, [100, 200, 300, 500], atol=2)
    assert dlib.runs[0][0][:2] == searched and dlib.runs[0][1] == pytest.approx(LIMIT + np.log(9))


def test_a_very_low_threshold_does_not_take_everything_for_a_face(dlib, folder):
    for threshold in (0.05, 0.2):
        detect_faces(load_face_analysis(folder), draw((255, 0, 0)), threshold, any_recogniser=True)
    assert [limit for _, limit in dlib.runs] == pytest.approx([LIMIT - np.log(4)] * 2)


def test_a_close_up_gets_a_margin(dlib, folder):
    (face,) = detect_faces(load_face_analysis(folder), draw((255, 0, 0), box=(0, 0, 80, 90)), any_recogniser=True)
    assert face.padded and len(dlib.runs) == 2
    np.testing.assert_allclose(face.box, [0, 0, 80, 90], atol=2)


def test_likeness_with_its_own_scale(dlib, folder):
    analysis, red, green = load_face_analysis(folder), draw((255, 0, 0)), draw((0, 255, 0))
    likeness = score_pictures(analysis, [red, red], [green, red, np.zeros_like(red)])
    assert likeness.ranking == [1, 0, 2] and likeness.scores[1].cosine == pytest.approx(1, abs=1e-3)
    report = report_likeness(likeness, likeness)
    assert report.count(SCALE) == 2 and likeness.reference.recogniser == RECOGNISER
    with pytest.raises(FaceNotFoundError, match=r"400x300"):
        score_pictures(analysis, [np.zeros_like(red)], [red])


def test_it_describes_nobody_to_an_adapter(dlib, folder):
    analysis = load_face_analysis(folder)
    with pytest.raises(IncompatibleModelError, match=rf"{RECOGNISER}.*another space.*package buffalo_l"):
        detect_faces(analysis, draw((255, 0, 0)))
    with pytest.raises(IncompatibleModelError, match=r"serves to compare faces.*buffalo_l"):
        analysis.get(draw((255, 0, 0)))


def test_without_the_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingPackageError, match=r"dlib's face recogniser needs .*'dlib-bin'.*pip install dlib-bin"):
        load_face_analysis(folder)


@pytest.mark.parametrize("name", [RECOGNISER, LANDMARKS])
@pytest.mark.parametrize("content", [b"", b"half", None], ids=["empty", "damaged", "missing"])
def test_damaged_files_never_reach_dlib(name, content, dlib, folder):
    """It gives wrong numbers for some of them and ends the process for others."""
    dlib.shape_predictor = dlib.face_recognition_model_v1 = lambda path: pytest.fail(f"{path} was opened")
    if content is not None:
        (folder / name).write_bytes(content)
    else:
        (folder / name).unlink()
    said = "is missing in" if content is None else "is damaged, incomplete or another model"
    with pytest.raises(CheckpointError, match=rf"{name} {said}.*pypi\.org.*insightface/models/dlib/.*CC0"):
        load_face_analysis(folder)


def test_a_folder_with_onnx_models_is_insightfaces(dlib, folder):
    (folder / "det_10g.onnx").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"det_10g\.onnx cannot be read"):
        load_face_analysis(folder)
