"""Face detection and ID embedding, with a tiny stand-in package that knows one face: the astronaut's."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from insightface.app import FaceAnalysis
from insightface.utils.face_align import norm_crop
from onnxruntime import InferenceSession

sys.path.append(str(Path(__file__).parent))

from analysis_variants import write_genderage

from consistentid.choices import ALL_FACES, SELECTIONS
from consistentid.errors import ConsistentIDError, FaceNotFoundError, IncompatibleModelError
from consistentid.face.face import Face, align_face, align_landmarks
from consistentid.face.onnx_models import AgeModel
from consistentid.face.package import FoundFace
from consistentid.face.report import report_faces
from consistentid.face.resampling import resize
from consistentid.face.search import FaceSearch, detect_faces
from consistentid.face.selection import select_face, select_faces

HER_BOX = (178, 62, 272, 180)


def test_one_face(analysis, astronaut):
    before = astronaut.copy()
    (face,) = detect_faces(analysis, astronaut)
    np.testing.assert_allclose(face.box, HER_BOX, atol=1)
    assert face.landmarks.shape == (5, 2) and 0.5 < face.score <= 1
    assert face.area == pytest.approx(94 * 118, rel=0.05)
    assert face.id_embedding.shape == (512,) and face.id_embedding.dtype == np.float32
    assert np.linalg.norm(face.id_embedding) == pytest.approx(1, abs=1e-5)
    assert (face.detector_px, face.padded, face.recogniser) == (640, False, "w600k_r50.onnx")
    assert face.age is None and face.gender is None, "this package has no model for it"
    assert np.array_equal(astronaut, before)


def test_detection_is_repeatable(analysis, astronaut):
    first, second = (detect_faces(analysis, astronaut)[0] for _ in range(2))
    assert np.array_equal(first.id_embedding, second.id_embedding)


@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_who_is_chosen_is_recognised_as_if_all_were(analysis, astronaut, order):
    both = np.hstack([astronaut, astronaut[:, :-30]])
    expected = detect_faces(analysis, both, channel_order=order)
    for index, face in enumerate(expected):
        (found,) = FaceSearch(analysis, "left to right", index, channel_order=order).find(both).chosen
        assert np.array_equal(found.id_embedding, face.id_embedding) and np.array_equal(found.box, face.box)
        assert (found.sharpness, found.recogniser, found.photo) == (face.sharpness, face.recogniser, face.photo)


def test_channel_order_changes_the_embedding(analysis, astronaut):
    (bgr,), (rgb,) = (detect_faces(analysis, astronaut, channel_order=order) for order in ("BGR", "RGB"))
    (swapped,) = detect_faces(analysis, astronaut[:, :, ::-1], channel_order="RGB")
    assert not np.allclose(bgr.id_embedding, rgb.id_embedding, atol=1e-3)
    assert np.array_equal(bgr.id_embedding, swapped.id_embedding)
    with pytest.raises(ConsistentIDError):
        detect_faces(analysis, astronaut, channel_order="bgr")


class StubDetector:
    """Remembers the pixels it is given, and its threshold."""

    def __init__(self):
        self.det_thresh, self.calls = 0.7, []

    def detect(self, pixels, input_size=None):
        self.calls.append((pixels, self.det_thresh))
        return np.array([[10, 10, 60, 60, 0.9]]), np.array([[[20, 25], [45, 25], [32, 38], [22, 50], [43, 50]]], float)


def make_stub(embedding=None, detector=None):
    """Enough of FaceAnalysis: one face, recognised by what the test says."""

    class Recogniser:
        model_file, input_size = "w600k_r50.onnx", (112, 112)

        def get_feat(self, crop):
            return (np.eye(512)[0] if embedding is None else embedding)[None]

    return SimpleNamespace(det_model=detector or StubDetector(), models={"recognition": Recogniser()})


def test_pixels_and_threshold_seen_by_insightface(astronaut):
    """The golden README's item 1: at (100, 100) training data give [187, 176, 169], released inference its reverse."""
    stub, photo = make_stub(), astronaut.copy()
    photo[100, 100] = 169, 176, 187
    detect_faces(stub, photo, 0.3)
    detect_faces(stub, photo, 0.4, "RGB")
    (bgr, low), (rgb, high) = stub.det_model.calls
    assert bgr[100, 100].tolist() == [187, 176, 169] and bgr.flags.c_contiguous
    assert rgb[100, 100].tolist() == [169, 176, 187]
    assert (low, high, stub.det_model.det_thresh) == (0.3, 0.4, 0.7), "the threshold is put back"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_found_and_recognised_as_insightface_does(face_package, analysis, astronaut):
    """On the same files; interpolated values are rounded to within one grey level of OpenCV's."""
    theirs = FaceAnalysis(name=str(face_package), providers=["CPUExecutionProvider"])
    theirs.prepare(ctx_id=-1, det_size=(640, 640))
    both = np.hstack([astronaut, astronaut])
    for photo in (astronaut, both):
        ours, found = detect_faces(analysis, photo), detect_faces(theirs, photo)
        answers = sorted(analysis.get(np.ascontiguousarray(photo[:, :, ::-1])), key=lambda face: face.bbox[0])
        assert len(ours) == len(found) == len(answers) == photo.shape[1] // 512
        for face, other, answer in zip(ours, found, answers, strict=True):
            np.testing.assert_allclose(face.box, other.box, atol=0.1)
            np.testing.assert_allclose(face.landmarks, other.landmarks, atol=0.1)
            np.testing.assert_allclose(answer["bbox"], face.box, atol=1e-3)
            assert face.score == pytest.approx(other.score, abs=0.01)
            assert face.id_embedding @ other.id_embedding > 0.9999 < face.id_embedding @ answer.normed_embedding
    (face,) = detect_faces(analysis, astronaut)
    for side in (112, 128, 224, 256):
        crop = norm_crop(astronaut, face.landmarks, side).astype(int)
        assert np.abs(align_landmarks(astronaut, face.landmarks, side) - crop).max() <= 1, side
    assert np.array_equal(align_face(astronaut, face), align_landmarks(astronaut, face.landmarks))


def test_age_and_input_range_are_those_of_insightface(tmp_path, astronaut):
    from insightface.model_zoo import Attribute
    from onnx import load, save

    write_genderage(tmp_path / "genderage.onnx", female=0.2, male=0.7, age=0.34)
    model = load(tmp_path / "genderage.onnx")
    for number, names in enumerate((["", ""], ["_minusscalar0", "_mulscalar0"], ["Sub_1", "other"], ["x", "bn_data"])):
        for node, name in zip(model.graph.node, names, strict=False):
            node.name = name
        path = tmp_path / f"{number}.onnx"
        save(model, path)
        session = InferenceSession(str(path))
        ours, theirs = AgeModel(path, session), Attribute(str(path), session)
        assert (ours.input_mean, ours.input_std) == (theirs.input_mean, theirs.input_std), names
        face, other = FoundFace(bbox=np.array(HER_BOX)), FoundFace(bbox=np.array(HER_BOX))
        assert ours.get(astronaut, face) == theirs.get(astronaut, other) == (1, 34) and face.sex == "M"


@pytest.mark.parametrize(("height", "width"), [(100, 50), (640, 640), (1, 7), (900, 300)])
def test_resized_as_opencv_does(astronaut, height, width):
    import cv2

    expected = cv2.resize(astronaut, (width, height)).astype(int)
    assert np.abs(resize(astronaut, width, height) - expected).max() <= 1


def test_nobody(analysis):
    from skimage.data import coffee

    assert detect_faces(analysis, coffee()) == []
    grey = np.repeat(coffee().mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert detect_faces(analysis, grey) == []


def test_grey_photo(analysis, astronaut):
    grey = np.repeat(astronaut.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    (bgr,), (rgb,) = (detect_faces(analysis, grey, channel_order=order) for order in ("BGR", "RGB"))
    np.testing.assert_allclose(bgr.box, HER_BOX, atol=1)
    assert np.array_equal(bgr.id_embedding, rgb.id_embedding)


def test_two_faces_left_to_right(analysis, astronaut):
    double = np.hstack([astronaut, astronaut])
    left, right = detect_faces(analysis, double)
    np.testing.assert_allclose(right.box - left.box, [512, 0, 512, 0], atol=1.5)


@pytest.mark.parametrize("size_hw", [(15, 100), (100, 15), (1, 1)])
def test_tiny_photo(analysis, size_hw):
    with pytest.raises(FaceNotFoundError, match=rf"only {size_hw[1]}x{size_hw[0]} pixels. Use one of at least"):
        detect_faces(analysis, np.zeros((*size_hw, 3), dtype=np.uint8))
    assert detect_faces(analysis, np.zeros((16, 16, 3), dtype=np.uint8)) == []


@pytest.mark.parametrize("shape", [(128,), (1, 512)], ids=str)
def test_recogniser_of_another_kind(shape):
    with pytest.raises(IncompatibleModelError, match=r"w600k_r50\.onnx"):
        detect_faces(make_stub(np.ones(shape)), np.zeros((64, 64, 3), dtype=np.uint8))


def test_analysis_without_recogniser(astronaut):
    """Another pack may have loaded the detector alone."""
    with pytest.raises(IncompatibleModelError, match=r"no face recogniser.*buffalo_l"):
        detect_faces(SimpleNamespace(det_model=StubDetector(), models={}), astronaut)


def test_detector_without_landmarks(astronaut):
    detector = SimpleNamespace(det_thresh=0.5, detect=lambda pixels, input_size: (np.ones((1, 5)), None))
    with pytest.raises(IncompatibleModelError, match=r"no landmarks.*det_10g\.onnx"):
        detect_faces(make_stub(detector=detector), astronaut)
    assert detector.det_thresh == 0.5


PHOTO = np.zeros((100, 200, 3), dtype=np.uint8)
SMALL_LEFT, BIG_RIGHT, MIDDLE = (
    Face(np.array(box, dtype=np.float32), np.zeros((5, 2)), score, None)
    for box, score in [((0, 0, 20, 20), 0.9), ((120, 0, 200, 90), 0.6), ((80, 40, 120, 70), 0.7)]
)
ORDERS = {
    "largest": [BIG_RIGHT, MIDDLE, SMALL_LEFT],
    "most central": [MIDDLE, BIG_RIGHT, SMALL_LEFT],
    "left to right": [SMALL_LEFT, MIDDLE, BIG_RIGHT],
    "highest score": [SMALL_LEFT, MIDDLE, BIG_RIGHT],
}


@pytest.mark.parametrize("selection", ORDERS)
def test_selection(selection):
    for faces in ([SMALL_LEFT, BIG_RIGHT, MIDDLE], [BIG_RIGHT, MIDDLE, SMALL_LEFT]):
        assert [select_face(faces, PHOTO, selection, i) for i in range(3)] == ORDERS[selection]
        assert select_faces(faces, PHOTO, selection, 1) == [ORDERS[selection][1]]


def test_every_face():
    assert set(SELECTIONS) == {*ORDERS, ALL_FACES}
    assert select_faces([BIG_RIGHT, SMALL_LEFT, MIDDLE], PHOTO, ALL_FACES, index=7) == [SMALL_LEFT, MIDDLE, BIG_RIGHT]
    with pytest.raises(FaceNotFoundError, match=r"^No face"):
        select_faces([], PHOTO, ALL_FACES)


def make_half_seen(score: float) -> Face:
    """A bystander at the right border: larger than all, his middle outside."""
    return Face(np.array((150, 0, 270, 100), dtype=np.float32), np.zeros((5, 2)), score, None)


def test_a_half_seen_bystander_is_left_out_of_all_and_last_elsewhere():
    half_seen = make_half_seen(1.0)
    faces = [half_seen, BIG_RIGHT, SMALL_LEFT, MIDDLE]
    assert select_faces(faces, PHOTO, ALL_FACES) == [SMALL_LEFT, MIDDLE, BIG_RIGHT]
    for selection, order in ORDERS.items():
        assert [select_face(faces, PHOTO, selection, index) for index in range(4)] == [*order, half_seen]
        said = report_faces(PHOTO, faces, order[:1], selection)
        assert ("1 put last, with the middle of the face outside the photo" in said) == (selection != "left to right")
    said = report_faces(PHOTO, faces, ORDERS["left to right"], ALL_FACES)
    assert said.endswith("1 left out, with the middle of the face outside the photo: box [150, 0, 270, 100].")
    said = report_faces(PHOTO, faces, [half_seen], "left to right", 3)
    assert "cuts the face, 58% lies outside" in said and said.endswith(
        "Its middle too: too little is seen to parse it."
    )
    assert "outside" not in report_faces(PHOTO, faces[1:], faces[1:], ALL_FACES)


def make_cut(width: float, outside: float) -> Face:
    """At the left border, with a part of it outside."""
    box = np.array((-outside * width, 0, (1 - outside) * width, 100), dtype=np.float32)
    return Face(box, np.zeros((5, 2)), 0.9, None)


def test_the_largest_is_one_that_the_border_does_not_cut():
    """Unless all others are less than half as wide: then it is the person of the photo."""
    whole = Face(np.array((100, 0, 160, 100), dtype=np.float32), np.zeros((5, 2)), 0.6, None)
    for outside, first in ((0.05, "cut"), (0.2, "whole"), (0.45, "whole")):
        cut = make_cut(100, outside)
        assert (select_face([cut, whole], PHOTO) is cut) == (first == "cut"), outside
        assert select_face([cut, whole], PHOTO, "left to right") is cut
        assert select_face([cut, whole], PHOTO, "highest score") is cut
    tiny = Face(np.array((150, 0, 170, 100), dtype=np.float32), np.zeros((5, 2)), 0.6, None)
    cut = make_cut(100, 0.2)
    assert select_face([cut, tiny], PHOTO) is cut


def test_report_says_that_the_border_cuts_the_face():
    cut, whole = make_cut(100, 0.3), BIG_RIGHT
    assert report_faces(PHOTO, [cut, whole], [cut], "largest").endswith(
        " The border cuts the face, 30% lies outside: a photo that shows it whole tells more."
    )
    assert "cuts one of the faces, 30%" in report_faces(PHOTO, [cut, whole], [cut, whole], ALL_FACES)
    assert "border" not in report_faces(PHOTO, [cut, whole], [whole], "largest")
    assert "border" not in report_faces(PHOTO, [make_cut(100, 0.05)], [make_cut(100, 0.05)], "largest")


def test_nobody_seen_whole_is_nobody_found():
    with pytest.raises(FaceNotFoundError, match=r"^Of 2 found in the photo \(200x100\) no face has its middle in it"):
        select_faces([make_half_seen(1.0), make_half_seen(0.9)], PHOTO, ALL_FACES)
    assert select_face([make_half_seen(1.0)], PHOTO).score == 1, "asked for alone, it is given"


def test_selection_errors():
    with pytest.raises(FaceNotFoundError, match=r"^No face found in the photo \(200x100\)\. Use a sharper"):
        select_face([], PHOTO)
    with pytest.raises(
        FaceNotFoundError, match=r"^Index 1 is too high: 1 face found .*\(200x100\), counted from 0\. Choose 0\.$"
    ):
        select_face([MIDDLE], PHOTO, index=1)
    with pytest.raises(FaceNotFoundError, match=r"^Index 7 is too high: 2 faces found.*Choose from 0 to 1"):
        select_face([MIDDLE, BIG_RIGHT], PHOTO, index=7)


@pytest.mark.parametrize(("selection", "index"), [("biggest", 0), ("largest", -1)])
def test_selection_that_does_not_exist(selection, index):
    with pytest.raises(ConsistentIDError):
        select_face([MIDDLE, BIG_RIGHT], PHOTO, selection, index)


def test_aligned_face(analysis, astronaut):
    (face,) = detect_faces(analysis, astronaut)
    crop = align_face(astronaut, face)
    assert crop.shape == (112, 112, 3) and crop.dtype == np.uint8
    # Her skin is redder than blue, and the crop is a view of her, not of the background.
    assert crop[..., 0].mean() > crop[..., 2].mean() + 20
    x0, y0, x1, y1 = HER_BOX
    np.testing.assert_allclose(crop.mean(axis=(0, 1)), astronaut[y0:y1, x0:x1].mean(axis=(0, 1)), atol=20)


def test_a_recogniser_that_gives_no_numbers():
    broken = np.ones(512)
    broken[7] = np.nan
    with pytest.raises(IncompatibleModelError, match=r"ID embedding that holds no numbers.*get the face analysis"):
        detect_faces(make_stub(broken), np.zeros((64, 64, 3), dtype=np.uint8))
