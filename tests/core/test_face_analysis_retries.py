"""What is tried when the detector sees nobody, shown with a detector that sees faces of one size only."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent))

from analysis_variants import make_near_sighted
from photo_set import FACE_BOX

from consistentid.face.face import align_face
from consistentid.face.package import load_face_analysis
from consistentid.face.search import detect_faces

CORNER = 300, 300


def load_near_sighted(face_package, folder, fixed_px=None):
    shutil.copytree(face_package, folder)
    make_near_sighted(folder / "det_10g.onnx", fixed_px)
    return load_face_analysis(folder, "CPU")


@pytest.fixture(scope="module")
def near_sighted(face_package, tmp_path_factory):
    return load_near_sighted(face_package, tmp_path_factory.mktemp("near sighted") / "buffalo_l")


@pytest.fixture(scope="module")
def fixed(face_package, tmp_path_factory):
    return load_near_sighted(face_package, tmp_path_factory.mktemp("fixed size") / "buffalo_l", 640)


def crop_around_her(astronaut, side_px):
    """A square of the portrait, extended with grey, and where its corner lies in the portrait."""
    canvas = np.full((1200, 1200, 3), 90, dtype=np.uint8)
    canvas[CORNER[1] : CORNER[1] + 512, CORNER[0] : CORNER[0] + 512] = astronaut
    left, top = CORNER[0] + 225 - side_px // 2, CORNER[1] + 121 - side_px // 2
    left, top = max(left, 0), max(top, 0)
    return canvas[top : top + side_px, left : left + side_px], np.array([left - CORNER[0], top - CORNER[1]])


@pytest.mark.parametrize(
    ("side_px", "detector_px", "padded"),
    [(1024, 640, False), (819, 512, False), (512, 320, False), (256, 160, False), (400, 512, True)],
)
def test_the_photo_is_shown_smaller_and_then_with_a_margin(near_sighted, astronaut, side_px, detector_px, padded):
    photo, corner = crop_around_her(astronaut, side_px)
    before = photo.copy()
    (face,) = detect_faces(near_sighted, photo)
    assert (face.detector_px, face.padded) == (detector_px, padded)
    anchor_px = 8 * side_px * (2 if padded else 1) / detector_px  # the stand-in's boxes sit on its anchors
    np.testing.assert_allclose(face.box + np.tile(corner, 2), FACE_BOX, atol=0.75 * anchor_px)
    assert np.array_equal(photo, before)


def test_wide_photo_with_a_margin(fixed, astronaut):
    """The margin is half of the longer side, whatever the shape: boxes and landmarks are those of the photo."""
    wide = astronaut[:400]
    (face,) = detect_faces(fixed, wide)
    assert face.padded and face.detector_px == 640
    np.testing.assert_allclose(face.box, FACE_BOX, atol=4)
    assert (face.landmarks > face.box[:2]).all() and (face.landmarks < face.box[2:]).all()


def test_the_margin_changes_nothing_that_the_recogniser_sees(fixed, astronaut):
    (face,) = detect_faces(fixed, astronaut)
    assert face.padded
    margin = 256
    padded = np.pad(astronaut, ((margin, margin), (margin, margin), (0, 0)))
    (direct,) = detect_faces(fixed, padded)
    assert not direct.padded
    np.testing.assert_allclose(direct.box - margin, face.box, atol=1e-3)
    np.testing.assert_allclose(direct.id_embedding, face.id_embedding, atol=1e-5)
    assert np.abs(align_face(padded, direct).astype(int) - align_face(astronaut, face)).max() <= 1


def test_nobody_is_still_nobody(near_sighted, fixed):
    noise = np.random.default_rng(0).integers(0, 255, (300, 500, 3), dtype=np.uint8)
    assert detect_faces(near_sighted, noise) == [] and detect_faces(fixed, noise) == []


class RecordingDetector:
    """Finds nobody, or fails, and remembers what it was asked."""

    det_thresh = 0.7

    def __init__(self, fails=False, **attributes):
        self.calls, self.fails = [], fails
        self.input_size = self.input_sizes = [(320, 320)]
        self.__dict__.update(attributes)

    def detect(self, pixels, input_size=None, max_num=0, metric="default"):
        self.calls.append((pixels, input_size, self.det_thresh))
        if self.fails:
            raise RuntimeError("broken")
        return np.empty((0, 5)), np.empty((0, 5, 2))


class RecordingAnalysis:
    def __init__(self, detector):
        self.det_model, self.models = detector, {"detection": detector, "recognition": object()}


def test_order_of_the_attempts():
    detector = RecordingDetector()
    assert detect_faces(RecordingAnalysis(detector), np.full((60, 100, 3), 9, dtype=np.uint8), 0.3) == []
    sizes = [(px, px) for px in (640, 512, 320, 160)]
    assert [size for _, size, _ in detector.calls] == sizes * 2
    assert [pixels.shape for pixels, *_ in detector.calls] == [(60, 100, 3)] * 4 + [(160, 200, 3)] * 4
    canvas = detector.calls[-1][0]
    assert (canvas[50:110, 50:150] == 9).all() and canvas.sum() == 9 * 60 * 100 * 3, "black outside the photo"


def test_detector_of_one_size_is_asked_for_it_only():
    detector = RecordingDetector(static_input_size=(640, 480))
    detect_faces(RecordingAnalysis(detector), np.zeros((64, 64, 3), dtype=np.uint8))
    assert [size for _, size, _ in detector.calls] == [(640, 480)] * 2


def test_analysis_is_left_as_found(astronaut):
    """Other packs' nodes may hold the same object, with settings of their own."""
    for detector in (RecordingDetector(), RecordingDetector(fails=True)):
        before = dict(vars(detector), calls=None)
        analysis = RecordingAnalysis(detector)
        if detector.fails:
            with pytest.raises(RuntimeError):
                detect_faces(analysis, astronaut, 0.3)
        else:
            detect_faces(analysis, astronaut, 0.3)
        assert {threshold for *_, threshold in detector.calls} == {0.3}
        assert detector.det_thresh == 0.7
        assert {**vars(detector), "calls": None, "det_thresh": 0.7} == {**before, "det_thresh": 0.7}


def test_analysis_prepared_by_another_pack(face_package, astronaut):
    """InstantID leaves the detector at the last size it tried; faces are found as before, and the size stays."""
    analysis = load_face_analysis(face_package, "CPU")
    expected = detect_faces(analysis, astronaut)[0]
    analysis.prepare(ctx_id=-1, det_thresh=0.9, det_size=(160, 160))
    (face,) = detect_faces(analysis, astronaut)
    assert face.detector_px == 640 and np.array_equal(face.id_embedding, expected.id_embedding)
    detector = analysis.det_model
    assert (detector.det_thresh, detector.input_size) == (0.9, (160, 160))


def test_detector_of_one_size_that_does_not_say_so():
    """insightface 0.7.3 has no static_input_size."""
    session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(shape=[1, 3, 480, 640])])
    for shape, sizes in (
        ([1, 3, 480, 640], {(640, 480)}),
        ([1, 3, "?", "?"], {(px, px) for px in (640, 512, 320, 160)}),
    ):
        session = SimpleNamespace(get_inputs=lambda shape=shape: [SimpleNamespace(shape=shape)])
        detector = RecordingDetector(session=session)
        detect_faces(RecordingAnalysis(detector), np.zeros((64, 64, 3), dtype=np.uint8))
        assert {size for _, size, _ in detector.calls} == sizes


def test_huge_photo(near_sighted, astronaut):
    huge = np.asarray(Image.fromarray(astronaut).resize((4096, 4096), Image.Resampling.BILINEAR))
    (face,) = detect_faces(near_sighted, huge)
    np.testing.assert_allclose(face.box / 8, FACE_BOX, atol=4)
