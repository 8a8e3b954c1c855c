"""Expression codes of faces: what they measure, and that people are left out of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.expression import judge, place_landmarks
from consistentid.errors import ConsistentIDError, FaceNotFoundError
from consistentid.face.face import Face
from consistentid.face.framing import crop_square, surround_head
from consistentid.face2diffusion.encoder import Face2Diffusion, encode_face
from consistentid.face2diffusion.expression import (
    MEASURES,
    format_expression,
    measure_expression,
    parse_expression,
    read_expression,
)
from consistentid.face2diffusion.mapping import MappingNetwork, MappingSizes
from consistentid.face2diffusion.msid import EncoderSizes, MSIDEncoder
from zoo.drawn_faces import choose_scene, draw_portrait, sample_person
from zoo.drawn_faces.face.expression import EXPRESSIONS

PEOPLE = 6


@pytest.fixture(scope="module")
def portraits():
    drawn = {}
    for seed in range(PEOPLE):
        for number, name in enumerate(EXPRESSIONS):
            scene = replace(choose_scene(seed, 8, number), expression=name, hat="none")
            drawn[seed, name] = draw_portrait(replace(sample_person(seed), glasses="none"), scene, 192)
    return drawn


@pytest.fixture(scope="module")
def codes(portraits):
    return {key: measure_expression(drawn.labels, drawn.landmarks) for key, drawn in portraits.items()}


def average(codes, name: str) -> dict[str, float]:
    mean = torch.stack([code for (_, shown), code in codes.items() if shown == name]).mean(0)
    return dict(zip(MEASURES, mean.tolist(), strict=True))


def test_numbers_are_what_they_are_called(codes):
    seen = {name: average(codes, name) for name in EXPRESSIONS}
    assert seen["surprised"]["eyes open"] > seen["laughing"]["eyes open"] + 0.5
    assert seen["smiling"]["mouth corners"] > seen["calm"]["mouth corners"] > seen["sad"]["mouth corners"]
    assert min(seen[name]["mouth open"] for name in ("laughing", "surprised")) > seen["calm"]["mouth open"] + 1
    assert seen["surprised"]["inner brows"] > seen["angry"]["inner brows"] + 1
    assert seen["laughing"]["open area"] > seen["surprised"]["open area"] > seen["smiling"]["open area"]


def test_expressions_are_told_not_people(portraits, codes):
    told, found = judge(np.stack([code.numpy() for code in codes.values()]))
    by_landmarks, _ = judge(np.stack([place_landmarks(drawn) for drawn in portraits.values()]))
    assert told > 0.8 > 0.6 > by_landmarks and found > 0.85


def test_a_code_is_the_same_for_the_same_face_turned_and_enlarged(portraits):
    drawn = portraits[0, "laughing"]
    code = measure_expression(drawn.labels, drawn.landmarks)
    side = len(drawn.labels)
    turned = np.rot90(drawn.labels)
    points = np.stack([drawn.landmarks[:, 1], side - 1 - drawn.landmarks[:, 0]], axis=1)
    assert torch.allclose(measure_expression(turned, points), code, atol=0.05)
    large = drawn.labels.repeat(3, 0).repeat(3, 1)
    assert torch.allclose(measure_expression(large, drawn.landmarks * 3 + 1), code, atol=0.2)


def test_what_is_hidden_counts_as_usual(portraits):
    drawn = portraits[1, "calm"]
    without = np.where(np.isin(drawn.labels, (2, 3)), 1, drawn.labels)
    code = dict(zip(MEASURES, measure_expression(without, drawn.landmarks).tolist(), strict=True))
    assert code["inner brows"] == code["outer brows"] == 0
    nothing = measure_expression(np.zeros((64, 64), np.uint8), drawn.landmarks / 4)
    assert nothing.isfinite().all() and nothing[:4].tolist() == [0, 0, 0, 0]


class Parser:
    """Gives the true label map of the square it is shown."""

    source = "true"

    def __init__(self, labels):
        self.labels = labels

    def parse(self, photo, side_px=512):
        return self.labels


def test_a_face_in_a_photo(portraits):
    drawn = portraits[2, "smiling"]
    photo = np.pad(drawn.image, ((30, 50), (100, 20), (0, 0)))
    box = np.array([100, 30, 100 + 192, 30 + 192], np.float32)
    face = Face(box, drawn.landmarks + np.float32([100, 30]), 0.9, None)
    square = surround_head(photo, box)
    labels = crop_square(np.pad(drawn.labels, ((30, 50), (100, 20))), square)
    code = read_expression(Parser(labels), photo, face)
    assert torch.allclose(code, measure_expression(drawn.labels, drawn.landmarks), atol=1e-4)
    assert torch.allclose(parse_expression(format_expression(code)), code, atol=1e-2)
    with pytest.raises(FaceNotFoundError, match=r"no landmarks.*InsightFace"):
        read_expression(Parser(labels), photo, replace(face, landmarks=None))


def test_a_mapping_network_refuses_the_other_kind_of_code():
    encoder = MSIDEncoder(EncoderSizes(patch_px=28, width=32, depth=1, taps=(0,))).eval()
    crop = np.zeros((112, 112, 3), np.uint8)
    ours = Face2Diffusion(encoder, MappingNetwork(MappingSizes(32, len(MEASURES), 64))).eval()
    released = Face2Diffusion(encoder, MappingNetwork(MappingSizes(32, 64, 64))).eval()
    assert encode_face(ours, crop, torch.zeros(len(MEASURES))).vectors.shape == (2, 64)
    with pytest.raises(ConsistentIDError, match="codes of 6 numbers, from the regions of a face; this one has 64"):
        encode_face(ours, crop, torch.zeros(64))
    with pytest.raises(ConsistentIDError, match="codes of 64 numbers, from a 3D face model; this one has 6"):
        encode_face(released, crop, torch.zeros(6))
