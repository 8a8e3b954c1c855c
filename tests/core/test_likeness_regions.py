"""Region likeness with a tiny random DINO and drawn label maps."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.errors import CheckpointError, FaceNotFoundError, IncompatibleModelError, MissingPackageError
from consistentid.likeness.dino import load_dino
from consistentid.likeness.faces import measure_reference, score_picture
from consistentid.likeness.regions import (
    average_features,
    average_scores,
    compare_features,
    crop_squares,
    read_features,
)

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}


def make_dinov2(folder):
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    # The preprocessing of dinov2-base at an eighth: to 32 px, then the middle 28.
    processor = BitImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    return _save(Dinov2Model(Dinov2Config(**SIZES)), processor, folder)


def make_vit(folder):
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    processor = ViTImageProcessor(size={"height": 28, "width": 28})
    model = ViTModel(ViTConfig(**SIZES, intermediate_size=64), add_pooling_layer=False)
    return _save(model, processor, folder)


def _save(model, processor, folder):
    torch.manual_seed(0)
    for parameter in model.parameters():  # so that the result depends on the picture
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=[make_dinov2, make_vit], ids=["dinov2", "vit"])
def encoder(request, tmp_path_factory):
    return load_dino(request.param(tmp_path_factory.mktemp("encoder") / "tiny dino"))


@pytest.fixture(scope="module")
def dinov2_folder(tmp_path_factory):
    return make_dinov2(tmp_path_factory.mktemp("encoder") / "tiny dino")


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """Her face, eyes, left ear, nose and lips, drawn on the 512 px photo."""
    drawn = np.zeros((512, 512), np.uint8)
    boxes = {
        1: (70, 190, 175, 275),
        4: (95, 107, 193, 215),
        5: (97, 109, 236, 258),
        7: (100, 130, 168, 176),
        10: (105, 131, 215, 233),
        12: (136, 141, 204, 246),
        13: (142, 149, 204, 246),
    }
    for label, (y0, y1, x0, x1) in boxes.items():
        drawn[y0:y1, x0:x1] = label
    return drawn


class MeanColours:
    """An encoder anyone can follow: the mean colour, brought to unit length."""

    def encode(self, pictures):
        means = np.stack([picture.reshape(-1, 3).mean(0) for picture in pictures]).astype(np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_class_token_is_the_models_own(encoder, astronaut):
    (token,) = encoder.encode([astronaut])
    pixels = encoder.processor(images=[Image.fromarray(astronaut)], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = encoder.model(pixel_values=pixels).last_hidden_state[0, 0].numpy()
    np.testing.assert_allclose(token, expected / np.linalg.norm(expected), atol=1e-5)
    assert token.dtype == np.float32 and not encoder.model.training


def test_pictures_of_a_batch_do_not_influence_each_other(encoder, astronaut):
    pictures = [astronaut, astronaut[40:200, 150:310], 255 - astronaut]
    together = encoder.encode(pictures)
    alone = np.concatenate([encoder.encode([picture]) for picture in pictures])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together[0] @ together[2] < 0.999


def test_middle_of_dinov2s_preprocessing_is_the_region(dinov2_folder):
    """A white square region is white to the edge of what the network sees."""
    photo = np.full((512, 512, 3), 255, np.uint8)
    labels = np.zeros((512, 512), np.uint8)
    labels[100:324, 60:284] = 1
    square = crop_squares(photo, labels)["Face"]
    assert square.shape == (256, 256, 3) and square[0].max() == 0
    processor = load_dino(dinov2_folder).processor
    pixels = processor(images=[Image.fromarray(square)], return_tensors="pt")["pixel_values"][0].numpy() * 0.25 + 0.5
    assert pixels.shape == (3, 28, 28)
    assert pixels[:, 1:-1, 1:-1].min() > 0.99 and pixels.min() > 0.4


def test_squares_hold_their_region_and_nothing_else(astronaut, labels):
    before = astronaut.copy()
    squares = crop_squares(astronaut, labels)
    assert list(squares) == ["Face", "Left_Eye", "Right_Eye", "Left_Ear", "Nose", "Upper_Lip", "Lower_Lip"]
    nose = squares["Nose"]  # 26 x 18 px: a square of 26 * 8/7 = 30
    assert nose.shape == (30, 30, 3)
    np.testing.assert_array_equal(nose[2:28, 6:24], astronaut[105:131, 215:233])
    assert not np.pad(np.zeros((26, 18, 3)), ((2, 2), (6, 6), (0, 0)), constant_values=1)[nose > 0].any()
    assert np.array_equal(astronaut, before)


def test_squares_at_the_border_and_on_larger_photos(astronaut, labels):
    corner = np.zeros((512, 512), np.uint8)
    corner[:20, :20] = 10
    square = crop_squares(astronaut, corner)["Nose"]
    assert square.shape == (23, 23, 3)
    np.testing.assert_array_equal(square[2:22, 2:22][:20, :20], astronaut[:20, :20])
    large = np.repeat(np.repeat(astronaut, 4, axis=1), 3, axis=0)
    nose = crop_squares(large, labels)["Nose"]  # 78 x 72 px
    assert nose.shape == (89, 89, 3)
    inside = nose[10:79, 12:77]
    np.testing.assert_array_equal(inside, large[320:389, 864:929], "4 * 215 - 8 + 12, and 3 * 105 - 5 + 10")
    assert max(nose[:2].max(), nose[-2:].max(), nose[:, :3].max(), nose[:, -3:].max()) < 12, "soft edges end there"


def test_specks_are_no_regions(astronaut):
    labels = np.zeros((512, 512), np.uint8)
    labels[100:107, 100:109] = 10  # 63 pixels
    labels[200:208, 200:208] = 4  # 64 pixels
    assert list(crop_squares(astronaut, labels)) == ["Left_Eye"]
    assert read_features(astronaut, np.zeros_like, MeanColours()) == {}


def test_a_photo_is_wholly_like_itself(encoder, astronaut, labels):
    features = read_features(astronaut, lambda photo: labels, encoder)
    score = compare_features(average_features([features]), features)
    assert score.cosine == pytest.approx(1, abs=1e-5)
    assert score.regions == pytest.approx(dict.fromkeys(("face", "eyes", "ears", "nose", "mouth"), 1), abs=1e-5)


def test_scores_are_cosines_of_the_encoders_tokens(encoder, astronaut, labels):
    other = np.ascontiguousarray(255 - astronaut)
    one, two = (read_features(photo, lambda _: labels, encoder) for photo in (astronaut, other))
    score = compare_features(one, two)
    cosines = {
        key: float(np.dot(*(encoder.encode([crop_squares(photo, labels)[key]])[0] for photo in (astronaut, other))))
        for key in one
    }
    expected = {
        "face": cosines["Face"],
        "eyes": (cosines["Left_Eye"] + cosines["Right_Eye"]) / 2,
        "ears": cosines["Left_Ear"],
        "nose": cosines["Nose"],
        "mouth": (cosines["Upper_Lip"] + cosines["Lower_Lip"]) / 2,
    }
    assert score.regions == pytest.approx(expected, abs=1e-5)
    assert score.cosine == pytest.approx(np.mean(list(expected.values())), abs=1e-5) and score.cosine < 0.99
    assert compare_features(two, one).cosine == pytest.approx(score.cosine, abs=1e-6), "symmetric"


def test_only_regions_both_have_count(astronaut, labels):
    profile = np.where(np.isin(labels, (4, 7)), 1, labels).astype(np.uint8)
    whole, side = (read_features(astronaut, lambda _, drawn=drawn: drawn, MeanColours()) for drawn in (labels, profile))
    score = compare_features(whole, side)
    assert list(score.regions) == ["face", "eyes", "nose", "mouth"], "the right eye stands for both"
    assert score.regions["eyes"] == pytest.approx(1, abs=1e-6)
    nothing = compare_features({"Nose": whole["Nose"]}, {"Face": whole["Face"]})
    assert nothing.cosine is None and nothing.regions == {}


def test_several_references(astronaut):
    a, b = np.eye(3)[:2]
    known = average_features([{"Nose": a, "Face": a}, None, {}, {"Nose": b}])
    np.testing.assert_allclose(known["Nose"], (a + b) / np.sqrt(2))
    np.testing.assert_allclose(known["Face"], a)
    assert list(known) == ["Face", "Nose"]
    with pytest.raises(FaceNotFoundError, match="no facial region in any reference photo"):
        average_features([None, {}])


def test_mean_over_pictures():
    score = compare_features({"Nose": np.array([1.0, 0])}, {"Nose": np.array([0.6, 0.8])})
    empty = compare_features({}, {})
    assert average_scores([score, None, empty]) == pytest.approx(0.6)
    assert average_scores([None, empty]) is None


def test_with_a_face_analysis_the_person_is_parsed(analysis, astronaut):
    dark = (astronaut * 0.6).astype(np.uint8)
    seen = []

    def parse(photo):
        seen.append(photo)
        return np.ones((512, 512), np.uint8)

    reference = measure_reference(analysis, [astronaut])
    pair = np.hstack([dark, astronaut])
    read_features(pair, parse, MeanColours(), analysis, reference)
    read_features(astronaut, parse, MeanColours(), analysis, reference)
    crop, alone = seen
    assert abs(crop.shape[0] - alone.shape[0]) <= 2 and 150 < crop.shape[0] < 300
    assert abs(crop.mean() - alone.mean()) < 5, "of the two she is taken, not her darker self"
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    assert read_features(mirrored, parse, MeanColours(), analysis, reference) is None and len(seen) == 2


def test_a_face_that_the_border_cuts_in_half_is_not_parsed(analysis, astronaut, monkeypatch):
    reference, look = measure_reference(analysis, [astronaut]), analysis.det_model.detect

    def see_half(pixels, **size):
        boxes, landmarks = look(pixels, **size)
        return np.add(boxes, (290, 0, 290, 0, 0)), landmarks

    monkeypatch.setattr(analysis.det_model, "detect", see_half)
    assert read_features(astronaut, np.zeros_like, MeanColours(), analysis, reference) is None


def test_the_threshold_reaches_the_detector(analysis, astronaut):
    reference = measure_reference(analysis, [astronaut])
    tilted = np.asarray(Image.fromarray(astronaut).rotate(5))
    score = score_picture(analysis, reference, tilted).face.score

    def read(threshold):
        parse = lambda photo: np.ones((512, 512), np.uint8)  # noqa: E731
        return read_features(tilted, parse, MeanColours(), analysis, reference, threshold)

    assert read(score + 1e-4) is None and list(read(score - 1e-4)) == ["Face"]


def test_missing_transformers(dinov2_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPackageError, match=r"python -m pip install .*transformers"):
        load_dino(dinov2_folder)


def drop_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop(next(key for key in tensors if "layer.1" in key))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


DAMAGES = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "config is no json": lambda folder: (folder / "config.json").write_text("<html>"),
    "web page as weights": lambda folder: (folder / "model.safetensors").write_text("<html>"),
    "tensor missing": drop_a_tensor,
    "no processor": lambda folder: (folder / "preprocessor_config.json").unlink(),
    "pickled weights only": lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_folder(damage, tmp_path):
    folder = make_dinov2(tmp_path / "tiny dino")
    damage(folder)
    with pytest.raises(CheckpointError, match="tiny dino"):
        load_dino(folder)


def test_models_of_another_kind_are_refused(dinov2_folder, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(IncompatibleModelError, match=r"type 'clip'.*dinov2-base"):
        load_dino(tmp_path)
