"""The zoo's recogniser, detector and parser: what they are shown, how they are trained, and the real loaders."""

import csv
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from consistentid.face.package import load_face_analysis
from consistentid.face.parsing import load_face_parser
from zoo.recipe import canvases, detector, fit, parser, recogniser, scrfd
from zoo.recipe.augmentation import SMALLEST, downscale
from zoo.recipe.canvases import Canvas, compose_canvas
from zoo.recipe.pictures import FIELDS, Mixture, Pictures, draw_pictures
from zoo.recipe.traits import HIDDEN, TRAITS, UNRENDERED, read_all_traits, read_traits

RED, BLUE = (230, 20, 20), (20, 20, 230)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Pictures:
    """Two people in two scenes."""
    return draw_pictures(tmp_path_factory.mktemp("pictures"), range(6, 8), 2, processes=1)


@pytest.fixture(scope="module")
def red_faces() -> Pictures:
    """Two blue pictures with a red face; the label of a pixel says whether it is red."""
    boxes = np.array([(80, 60, 180, 180), (60, 90, 150, 190)], dtype=np.float32)
    images, labels = np.full((2, 256, 256, 3), BLUE, dtype=np.uint8), np.zeros((2, 256, 256), dtype=np.uint8)
    for image, label, (x0, y0, x1, y1) in zip(images, labels, boxes.astype(int), strict=True):
        image[y0:y1, x0:x1], label[y0:y1, x0:x1] = RED, 1
    landmarks = boxes[:, None, :2] + np.float32([(25, 40), (65, 40), (45, 60), (30, 80), (60, 80)])
    return Pictures(range(2), 1, False, images, labels, landmarks, boxes)


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    """Each model after a few steps; by name, and the folder of curves and files."""
    folder = tmp_path_factory.mktemp("faces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "LOGGED_STEPS", 3)
        patch.setattr(recogniser, "BATCH", 8)
        patch.setattr(detector, "BATCHES", {160: 4, 320: 1, 640: 1})
        patch.setattr(detector, "SHARES", (1, 0, 0))
        patch.setattr(parser, "BATCH", 2)
        models = {
            "recogniser": recogniser.train_recogniser(pictures, 12, folder),
            "detector": detector.train_detector(pictures, 12, folder),
            "parser": parser.train_parser(pictures, 10, folder),
        }
    recogniser.write_recogniser(models["recogniser"], folder / "face" / "zoo_r.onnx")
    detector.write_detector(models["detector"], folder / "face" / "det_zoo.onnx")
    parser.write_parser(models["parser"], folder / "face_parsing.safetensors")
    return models, folder


@pytest.fixture(scope="module")
def analysis(trained):
    return load_face_analysis(trained[1] / "face", "CPU")


def is_red(image: np.ndarray) -> np.ndarray:
    return image[..., 0].astype(int) > image[..., 2].astype(int)


@pytest.mark.parametrize("name", ["recogniser", "detector", "parser"])
def test_the_loss_falls(trained, name):
    with (trained[1] / f"{name}.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) >= 2 and losses[-1] < 0.9 * losses[0], losses


def test_a_shrunk_picture_keeps_its_shape():
    rng = np.random.default_rng(0)
    shapes = [downscale(np.zeros((100, 200, 3), np.uint8), rng).shape for _ in range(60)]
    assert all(abs(2 * height - width) <= 1 and height >= 100 * SMALLEST - 1 for height, width, _ in shapes)
    assert len(set(shapes)) > 20 and (100, 200, 3) in shapes


@pytest.mark.parametrize("side", [160, 320])
def test_a_canvas_shows_its_faces_where_it_says_and_no_others(red_faces, side, monkeypatch):
    # One of the fillings is any colour, so also red.
    monkeypatch.setattr(canvases, "_fill_canvas", lambda *_: np.full((side, side, 3), BLUE, dtype=np.uint8))
    rng = np.random.default_rng(side)
    made = [compose_canvas(red_faces, side, rng) for _ in range(100)]
    for canvas in made:
        truth = np.zeros((side, side), dtype=bool)
        for box, points in zip(canvas.boxes, canvas.landmarks, strict=True):
            assert box.min() >= -1 and box.max() <= side + 1
            assert (points > box[:2]).all() and (points < box[2:]).all()
            x0, y0, x1, y1 = box.round().astype(int)
            truth[y0:y1, x0:x1] = True
        assert (is_red(canvas.image) == truth).mean() > 0.98
    assert {len(canvas.boxes) for canvas in made} >= {0, 1, 2}
    heights = [(box[3] - box[1]) / side for canvas in made for box in canvas.boxes]
    assert min(heights) < 0.2 and max(heights) > 0.6


@pytest.mark.parametrize("height", [12, 24, 60, 150, 310, 600])
def test_every_size_of_face_has_anchors_near_its_middle(height):
    places, sides = scrfd.place_anchors(640)
    x, y = 300.0, 330.0
    box = np.array([x - 0.45 * height, y - height / 2, x + 0.45 * height, y + height / 2], dtype=np.float32)
    owners = detector.assign_anchors(Canvas(np.zeros((640, 640, 3), np.uint8), [box], [None]), places, sides)
    mine = owners == 0
    assert 1 <= mine.sum() < 150
    assert (places[mine] - torch.tensor((x, y))).abs().max() <= max(0.2 * height, 8)
    unasked = owners == detector.UNASKED
    assert (owners[places[:, 0] > x + 0.5 * height + 16] == detector.BACKGROUND).all() and unasked.sum() < 1200


def answer_rightly(canvas: Canvas) -> list[torch.Tensor]:
    """What a perfect detector says about a canvas, as Scrfd's nine outputs."""
    side = len(canvas.image)
    places, sides = scrfd.place_anchors(side)
    owners = detector.assign_anchors(canvas, places, sides)
    scores = (owners >= 0).float()[:, None]
    faces = owners.clamp(min=0)
    boxes = torch.tensor(np.stack(canvas.boxes)).float()[faces]
    points = torch.tensor(np.stack(canvas.landmarks)).float()[faces]
    distances = torch.cat([places - boxes[:, :2], boxes[:, 2:] - places], dim=1)
    offsets = (points - places[:, None]).flatten(1)
    edges = np.cumsum([0, *(2 * (side // stride) ** 2 for stride in scrfd.STRIDES)])
    parts = []
    for values, in_strides in ((scores, False), (distances, True), (offsets, True)):
        for stride, (start, end) in zip(scrfd.STRIDES, pairwise(edges), strict=True):
            parts.append(values[None, start:end] / (stride if in_strides else 1))
    return parts


def test_right_answers_cost_nothing_and_every_fault_costs(pictures):
    rng = np.random.default_rng(3)
    canvas = next(found for found in (compose_canvas(pictures, 320, rng) for _ in range(40)) if len(found.boxes) == 2)
    right = answer_rightly(canvas)
    costs = [float(detector.measure_detection(tuple(right), [canvas]))]
    for faulty in range(9):
        answers = [answer * (0.7 if faulty == number else 1) for number, answer in enumerate(right)]
        costs.append(float(detector.measure_detection(tuple(answers), [canvas])))
    assert costs[0] < 1e-4
    used = [index for index in range(3) if right[index].sum()]
    assert all(costs[1 + 3 * part + index] > 1e-3 for part in range(3) for index in used), costs


def test_insightface_takes_the_detector_for_scrfd(trained, analysis, pictures):
    """The file answers as the network does, and boxes and landmarks are where training has them."""
    image = np.ascontiguousarray(pictures.images[0][..., ::-1])
    scores, boxes, landmarks = analysis.det_model.forward(image, 0.0)
    with torch.inference_mode():
        answers = trained[0]["detector"](detector.normalise_canvases(torch.from_numpy(pictures.images[:1])))
    _, _, expected_boxes, expected_landmarks = detector._place_answers(answers, 256)
    assert len(np.concatenate(scores)) == len(expected_boxes[0]) == 2 * (32**2 + 16**2 + 8**2)
    np.testing.assert_allclose(np.concatenate(scores), torch.cat(answers[:3], dim=1)[0], atol=5e-3)
    np.testing.assert_allclose(np.concatenate(boxes), expected_boxes[0], atol=1.0)
    np.testing.assert_allclose(np.concatenate(landmarks), expected_landmarks[0], atol=1.0)


def test_insightface_takes_the_recogniser_for_arcface(trained, analysis, pictures):
    from insightface.utils.face_align import norm_crop

    model = analysis.models["recognition"]
    assert (model.input_size, model.input_mean, model.input_std) == ((112, 112), 127.5, 127.5)
    crops = [norm_crop(image, points, 112) for image, points in zip(pictures.images, pictures.landmarks, strict=True)]
    found = model.get_feat([crop[..., ::-1] for crop in crops])
    with torch.inference_mode():
        expected = trained[0]["recogniser"](recogniser.normalise_faces(torch.from_numpy(np.stack(crops)))).numpy()
    assert found.shape == (4, 512)
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_the_independent_recogniser_has_another_form():
    model = recogniser.Recogniser(**recogniser.INDEPENDENT).eval()
    assert model(torch.zeros(2, 3, 128, 128)).shape == (2, 512)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (model, recogniser.Recogniser(), scrfd.Scrfd())]
    assert all(size < limit for size, limit in zip(sizes, (600_000, 600_000, 250_000), strict=True)), sizes


@pytest.mark.parametrize("angle", [0.3, 1.0])
def test_an_embedding_on_its_centre_still_costs_by_the_margin(angle):
    """The more, the nearer another centre is."""
    loss = recogniser.MarginLoss(torch.nn.Identity(), 2)
    centres = torch.tensor([(1, 0), (math.cos(angle), math.sin(angle))])
    loss.centres.data = torch.nn.functional.pad(centres, (0, 510))
    with torch.inference_mode():
        cost = float(loss(loss.centres[:1] * 7, torch.tensor([0])))
    ahead = recogniser.SCALE * (1 - recogniser.MARGIN - math.cos(angle))
    assert cost == pytest.approx(math.log1p(math.exp(-ahead)), rel=1e-3)


def test_the_parser_is_read_as_any_bisenet(trained, pictures):
    found = load_face_parser(trained[1] / "face_parsing.safetensors")
    assert (trained[1] / "face_parsing.safetensors").stat().st_size < 2_500_000
    with torch.inference_mode():
        logits = trained[0]["parser"](
            parser.normalise_pictures(torch.from_numpy(pictures.images[:1])), auxiliary=False
        )[0]
    assert (found.parse(pictures.images[0], 256) == logits[0].argmax(0).numpy()).mean() > 0.99


def test_labels_move_with_their_picture(red_faces):
    rng = np.random.default_rng(0)
    for _ in range(20):
        image, labels = parser._augment_picture(red_faces, 0, rng)
        assert ((labels == 1) == is_red(image)).mean() > 0.97


def test_sure_pixels_teach_nothing():
    """Two of 64 pixels are told wrongly; the 62 sure ones would hide them in a mean. LEAST keeps a sixteenth."""
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    logits = torch.zeros(1, 19, 8, 8)
    logits[:, 0] = 20.0
    assert float(parser._measure_hard(logits, labels)) < 1e-6
    logits[0, :, 0, :5] = 0.0
    assert float(parser._measure_hard(logits, labels)) == pytest.approx(np.log(19), rel=1e-4)


def test_a_mixture_is_its_sets_one_after_the_other(pictures):
    mixture = Mixture(pictures, replace(pictures, rendered=True))
    count = len(pictures)
    assert len(mixture) == 2 * count and len(mixture.seeds) == 2 * len(pictures.seeds)
    assert np.array_equal(mixture.images[count + 1], pictures.images[1])
    assert np.array_equal(mixture.boxes[1], pictures.boxes[1])
    assert mixture.find_people(np.arange(2 * count)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert mixture.name(1) == pictures.name(1) and mixture.is_rendered(count) and not mixture.is_rendered(0)


def test_sets_of_a_mixture_are_chosen_alike_however_large(pictures):
    small = replace(pictures, seeds=pictures.seeds[:1], **{f: getattr(pictures, f)[:2] for f in FIELDS})
    rows = Mixture(small, pictures).choose_rows(np.random.default_rng(0), 2000)
    assert set(rows) == set(range(6)) and 900 < (rows < 2).sum() < 1100


def test_a_drawing_that_was_stopped_goes_on(tmp_path, monkeypatch):
    whole = draw_pictures(tmp_path / "whole", range(10), 1, processes=1)
    part = tmp_path / "stopped" / "0-10x1.part"
    part.mkdir(parents=True)
    for field in FIELDS:
        kept = np.array(getattr(whole, field))
        kept[8:] = 0
        kept[0] = 7  # which is not drawn again
        np.save(part / f"{field}.npy", kept)
    (part / "people").write_text("8")
    again = draw_pictures(tmp_path / "stopped", range(10), 1, processes=1)
    assert (again.images[0] == 7).all() and np.array_equal(again.images[1:], whole.images[1:])
    assert not (tmp_path / "stopped" / "0-10x1" / "people").exists()


def test_rendered_pictures_hide_what_they_do_not_show(pictures):
    unseen = np.isin([trait.name for trait in TRAITS], UNRENDERED)
    mixture = Mixture(pictures, replace(pictures, rendered=True))
    told = read_all_traits(mixture)
    assert (told[len(pictures) :, unseen] == HIDDEN).all()
    for row, traits in enumerate(told):
        whole = read_traits(*mixture.name(row))
        assert np.array_equal(traits[~unseen], whole[~unseen])
        assert mixture.is_rendered(row) or np.array_equal(traits, whole)
