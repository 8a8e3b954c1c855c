"""Likeness scores of the astronaut and her transforms, against numbers computed from InsightFace's own output."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from consistentid.errors import FaceNotFoundError
from consistentid.likeness.faces import average, measure_baseline, measure_reference, score_picture, score_pictures

STANDINS = Path(__file__).resolve().parents[1] / "stand_ins" / "standins_onnx.py"


@pytest.fixture(scope="module")
def photos(astronaut) -> dict[str, np.ndarray]:
    """The stand-in detector does not know her mirror image."""
    grain = np.random.default_rng(0).normal(0, 40, astronaut.shape)
    dark = (astronaut * 0.6).astype(np.uint8)
    return {
        "same": astronaut,
        "dark": dark,
        "blurred": np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(4))),
        "grainy": np.clip(astronaut + grain, 0, 255).astype(np.uint8),
        "mirrored": np.ascontiguousarray(astronaut[:, ::-1]),
        "both": np.hstack([dark, astronaut]),
        "tiny": astronaut[:8, :8],
    }


@pytest.fixture(scope="module")
def second(face_package, load_module, tmp_path_factory):
    """Another package: the same detector, and a recogniser with other weights under another name."""
    import onnx
    from onnx import numpy_helper

    from consistentid.face.package import load_face_analysis

    recogniser = load_module(STANDINS).build_recogniser()
    (weight,) = (tensor for tensor in recogniser.graph.initializer if tensor.name == "weight")
    other = np.random.default_rng(1).standard_normal(numpy_helper.to_array(weight).shape).astype(np.float32)
    weight.CopyFrom(numpy_helper.from_array(other, "weight"))
    folder = tmp_path_factory.mktemp("second analysis") / "package"
    folder.mkdir()
    onnx.save(recogniser, folder / "glintr100.onnx")
    (folder / "det_10g.onnx").write_bytes((face_package / "det_10g.onnx").read_bytes())
    return load_face_analysis(folder, "CPU")


def embed(analysis, photo) -> list[np.ndarray]:
    """InsightFace's own embeddings, left to right, in float64."""
    faces = sorted(analysis.get(np.ascontiguousarray(photo[:, :, ::-1])), key=lambda face: face.bbox[0])
    return [face.embedding.astype(np.float64) for face in faces]


def cosine(a, b) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_a_picture_is_wholly_like_itself(analysis, photos):
    before = photos["same"].copy()
    likeness = score_pictures(analysis, [photos["same"]], [photos["same"]])
    (score,) = likeness.scores
    assert score.cosine == pytest.approx(1, abs=1e-5) and (score.place, score.faces) == (0, 1)
    assert likeness.mean == score.cosine and likeness.ranking == [0]
    assert np.array_equal(photos["same"], before)


def test_scores_are_cosines_of_insightfaces_embeddings(analysis, photos):
    names = ["dark", "blurred", "grainy"]
    likeness = score_pictures(analysis, [photos["same"]], [photos[name] for name in names])
    (person,) = embed(analysis, photos["same"])
    expected = [cosine(person, *embed(analysis, photos[name])) for name in names]
    assert [score.cosine for score in likeness.scores] == pytest.approx(expected, abs=1e-5)
    assert expected[0] < 0.7 < min(expected[1:]), "the transforms are worth telling apart"
    assert likeness.mean == pytest.approx(np.mean(expected), abs=1e-5)


def test_likeness_is_symmetric(analysis, photos):
    for one, other in permutations(("same", "dark", "grainy"), 2):
        there, back = (
            score_picture(analysis, measure_reference(analysis, [photos[a]]), photos[b]).cosine
            for a, b in ((one, other), (other, one))
        )
        assert there == pytest.approx(back, abs=1e-6)


def test_the_face_most_like_the_reference_counts(analysis, photos):
    left, right = embed(analysis, photos["both"])
    for name, place in (("same", 1), ("dark", 0)):
        (person,) = embed(analysis, photos[name])
        score = score_picture(analysis, measure_reference(analysis, [photos[name]]), photos["both"])
        assert (score.place, score.faces) == (place, 2)
        assert score.cosine == pytest.approx(max(cosine(person, left), cosine(person, right)), abs=1e-5)
        assert (score.face.box[0] > 512) == (place == 1)


def test_the_largest_face_of_a_reference_counts(analysis, photos):
    canvas = np.zeros((1024, 2048, 3), dtype=np.uint8)
    for name, scale, left in (("same", 2, 0), ("dark", 4, 1024)):
        head = Image.fromarray(photos[name][20:230, 120:330])
        canvas[: 210 * scale, left : left + 210 * scale] = np.asarray(head.resize((210 * scale, 210 * scale)))
    reference = measure_reference(analysis, [canvas])
    light, dark = (score_picture(analysis, reference, photos[name]).cosine for name in ("same", "dark"))
    assert len(embed(analysis, canvas)) == 2 and dark > 0.9 > light + 0.1


def test_several_references_are_averaged(analysis, photos):
    names = ["same", "dark", "grainy"]
    embeddings = [
        embedding / np.linalg.norm(embedding) for name in names for embedding in embed(analysis, photos[name])
    ]
    reference = measure_reference(analysis, [photos[name] for name in names])
    assert cosine(reference.embedding, sum(embeddings)) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(reference.embedding) == pytest.approx(1, abs=1e-6)
    expected = [cosine(one, sum(embeddings) - one) for one in embeddings]
    assert reference.baseline == pytest.approx(np.mean(expected), abs=1e-5)
    assert (reference.photos, reference.faceless, reference.recogniser) == (3, (), "w600k_r50.onnx")


def test_baseline_of_one_and_of_two():
    a, b = np.random.default_rng(0).standard_normal((2, 512))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    assert measure_baseline([a]) is None
    assert measure_baseline([a, b]) == pytest.approx(a @ b)
    assert np.allclose(average([3 * a, 3 * b]), (a + b) / np.linalg.norm(a + b))


def test_order_of_photos_and_pictures_does_not_matter(analysis, photos):
    names = ["same", "dark", "grainy"]
    pictures = ["blurred", "mirrored", "both"]
    usual = score_pictures(analysis, [photos[name] for name in names], [photos[name] for name in pictures])
    turned = score_pictures(analysis, [photos[name] for name in names[::-1]], [photos[name] for name in pictures[::-1]])
    assert turned.reference.baseline == pytest.approx(usual.reference.baseline, abs=1e-6)
    for score, other in zip(usual.scores, turned.scores[::-1], strict=True):
        assert (score.place, score.faces) == (other.place, other.faces)
        assert score.cosine == other.cosine or score.cosine == pytest.approx(other.cosine, abs=1e-6)


def test_pictures_without_a_face_come_last_and_stop_nothing(analysis, photos):
    names = ["mirrored", "dark", "tiny", "grainy", "same"]
    likeness = score_pictures(analysis, [photos["same"]], [photos[name] for name in names])
    assert [names[place] for place in likeness.ranking] == ["same", "grainy", "dark", "mirrored", "tiny"]
    for place in (0, 2):
        score = likeness.scores[place]
        assert (score.cosine, score.face, score.place, score.faces) == (None, None, None, 0)
    cosines = [likeness.scores[place].cosine for place in (1, 3, 4)]
    assert likeness.mean == pytest.approx(sum(cosines) / 3)


def test_nobody_anywhere(analysis, photos):
    likeness = score_pictures(analysis, [photos["same"]], [photos["mirrored"], photos["tiny"]])
    assert likeness.ranking == [0, 1] and likeness.mean is None


def test_references_without_a_face(analysis, photos):
    reference = measure_reference(analysis, [photos["mirrored"], photos["same"], photos["dark"]])
    without = measure_reference(analysis, [photos["same"], photos["dark"]])
    assert reference.faceless == (0,) and reference.baseline == without.baseline
    assert np.array_equal(reference.embedding, without.embedding)
    with pytest.raises(FaceNotFoundError, match=r"512x512, 8x8.*now 0\.40"):
        measure_reference(analysis, [photos["mirrored"], photos["tiny"]], 0.4)


def test_the_threshold_reaches_the_detector(analysis, photos):
    reference = measure_reference(analysis, [photos["same"]])
    score = score_picture(analysis, reference, photos["dark"]).face.score
    assert score_picture(analysis, reference, photos["dark"], min(score + 1e-4, 1.0)).cosine is None


def test_a_second_recogniser_has_its_own_opinion(analysis, second, photos):
    pictures = [photos[name] for name in ("same", "dark", "mirrored", "both")]
    first, other = (score_pictures(one, [photos["same"]], pictures) for one in (analysis, second))
    (person,) = embed(second, photos["same"])
    (dark,) = embed(second, photos["dark"])
    assert other.scores[0].cosine == pytest.approx(1, abs=1e-5)
    assert other.scores[1].cosine == pytest.approx(cosine(person, dark), abs=1e-5)
    assert abs(other.scores[1].cosine - first.scores[1].cosine) > 1e-3
    assert other.scores[2].cosine is None and other.scores[3].place == 1
    assert (first.reference.recogniser, other.reference.recogniser) == ("w600k_r50.onnx", "glintr100.onnx")


def test_what_the_callback_raises_ends_the_run(analysis, photos):
    calls = []

    def on_picture():
        calls.append(len(calls))
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_pictures(analysis, [photos["same"]], [photos["same"]] * 3, on_picture=on_picture)
    assert calls == [0, 1]
