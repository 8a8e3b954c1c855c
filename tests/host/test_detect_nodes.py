"""Finding faces, as the host runs it: one photo, batches and lists, with and without InsightFace."""

import asyncio
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "core"))

from photo_set import FACE_BOX, make_photo, write_turned_photo

pytestmark = pytest.mark.host

OUTPUTS = ("face", "preview", "crop", "report", "landmarks", "photo")


@pytest.fixture(scope="module")
def analysis(host, standins):
    return host.nodes.face.load_face_analysis(next((standins / "insightface" / "models").glob("*buffalo_l")), "CPU")


@pytest.fixture(scope="module")
def cascade(host):
    return host.nodes.face.LoadFaceCascade.execute().result[0]


@pytest.fixture
def errors(host):
    return host.consistentid.errors


def image_of(*photos):
    return torch.from_numpy(np.stack(photos)).float() / 255


def run_node(node, **inputs):
    """The outputs of a node by the host's own executor: every input and output is a list."""
    return run_for_editor(node, **inputs)[0]


def run_for_editor(node, **inputs):
    """The outputs of a node, and what the editor is told."""
    import execution

    output, shown, *_ = asyncio.run(execution.get_output_data("prompt", "1", node, inputs))
    return output, shown


@pytest.fixture
def detect(host, analysis):
    def run(*images, source=None, **options):
        widgets = {"select": "largest", "index": 0, "threshold": 0.5, "on_no_face": "error", "channel_order": "BGR"}
        inputs = {name: [value] for name, value in {**widgets, **options}.items()}
        source = [source or analysis]
        node = host.nodes.face.DetectFace
        output, run.shown = run_for_editor(node, face_analysis=source, image=list(images), **inputs)
        return SimpleNamespace(**dict(zip(OUTPUTS, output, strict=True)))

    return run


def test_one_photo(detect, astronaut):
    image = image_of(astronaut)
    found = detect(image)
    assert all(len(value) == 1 for value in vars(found).values())
    assert abs(np.linalg.norm(found.face[0].id_embedding) - 1) < 1e-5
    assert found.preview[0].shape == image.shape and not torch.equal(found.preview[0], image)
    assert found.crop[0].shape == (1, 112, 112, 3)
    assert found.report[0].startswith("1 found; took the largest: score 1.00, box [178, 62, 272, 180], seen at 640 px")
    assert found.landmarks[0].shape == image.shape and 0 < (found.landmarks[0].amax(-1) > 0).float().mean() < 0.05
    assert torch.equal(found.photo[0], image)


def test_more_photos_keep_their_order_and_size(detect, astronaut):
    large, small = image_of(astronaut), image_of(astronaut[:400])
    found = detect(large, image_3=image_of(make_photo("nobody")), image_2=small, on_no_face="skip")
    assert [photo.shape for photo in found.photo] == [large.shape, small.shape]
    assert [line.split(":")[0] for line in found.report[0].splitlines()] == [f"Photo {n} of 3" for n in (1, 2, 3)]


def test_batches_and_photos_of_different_sizes(detect, astronaut):
    batch, wide = image_of(astronaut, astronaut[:, ::-1]), image_of(np.hstack([astronaut, np.zeros_like(astronaut)]))
    with pytest.raises(Exception, match=r"Photo 2 of 3: .*No face found in the photo \(512x512\)"):
        detect(batch, wide)
    found = detect(image_of(astronaut, astronaut), wide)
    assert [len(value) for value in vars(found).values()] == [3, 3, 3, 1, 3, 3]
    assert [picture.shape[2] for picture in found.photo] == [512, 512, 1024] == [p.shape[2] for p in found.landmarks]
    assert [line.split(": ")[0] for line in found.report[0].splitlines()] == [f"Photo {n} of 3" for n in (1, 2, 3)]
    for face in found.face:
        np.testing.assert_allclose(face.box, FACE_BOX, atol=3)


def test_nobody_is_an_error_that_names_the_photo(detect, errors, astronaut):
    nobody = image_of(make_photo("nobody"))
    with pytest.raises(
        errors.FaceNotFoundError, match=r"^No face found .*frontal.*lower the threshold \(now 0\.50\).*'skip'"
    ):
        detect(nobody)
    with pytest.raises(errors.FaceNotFoundError, match=r"^Photo 2 of 2: .*No face found"):
        detect(image_of(astronaut), nobody)


def test_nobody_can_be_left_out(detect, errors, astronaut):
    nobody, icon = image_of(make_photo("nobody")), torch.zeros(1, 12, 12, 3)
    found = detect(image_of(astronaut), nobody, icon, image_of(astronaut), on_no_face="skip")
    assert [len(value) for value in vars(found).values()] == [2, 2, 2, 1, 2, 2] and None not in found.face
    lines = found.report[0].splitlines()
    assert len(lines) == 4 and lines[1].startswith("Photo 2 of 4: ") and lines[1].endswith("Left out.")
    assert "only 12x12 pixels" in lines[2] and "1 found" in lines[3]
    with pytest.raises(errors.FaceNotFoundError, match=r"(?s)No photo is left.*Photo 1 of 2.*Photo 2 of 2"):
        detect(nobody, nobody, on_no_face="skip")


def test_nobody_can_go_without_an_id_embedding(detect, astronaut):
    nobody = image_of(make_photo("nobody"))
    found = detect(nobody, on_no_face="continue without ID embedding")
    assert found.face == [None] and found.report[0].endswith("No ID embedding.")
    assert torch.equal(found.preview[0], nobody) and torch.equal(found.crop[0], nobody)
    assert not found.landmarks[0].any() and found.landmarks[0].shape == nobody.shape
    found = detect(nobody, image_of(astronaut), on_no_face="continue without ID embedding")
    assert found.face[0] is None and found.face[1].score > 0.5
    assert torch.equal(found.photo[0], nobody)


def test_later_nodes_run_once_for_each_photo(host, standins, detect, astronaut):
    """A missing face in the list counts as an optional input left open."""
    parser = host.nodes.model.hosting.make_patcher(
        host.consistentid.face.parsing.load_face_parser(next((standins / "consistentid").glob("*face_parsing.pth")))
    )
    wide = image_of(make_photo("twice"))
    found = detect(image_of(make_photo("nobody")), wide, on_no_face="continue without ID embedding")
    regions, overlay, *_ = run_node(
        host.nodes.regions.ParseFace, face_parser=[parser], image=found.photo, side_px=["512"], face=found.face
    )
    assert len(regions) == 2 and [picture.shape[1:3] for picture in overlay] == [(400, 600), (512, 1024)]


def test_several_faces_in_one_photo(detect, errors):
    pair = image_of(make_photo("twice"))
    left, right = (detect(pair, select="left to right", index=i).face[0] for i in (0, 1))
    assert left.box[0] < 512 < right.box[0]
    with pytest.raises(errors.FaceNotFoundError, match=r"^Index 2 is too high: 2 faces found.*from 0 to 1") as raised:
        detect(pair, index=2)
    assert "sharper" not in str(raised.value) and "threshold" not in str(raised.value), "the photo is not to blame"
    found = detect(pair, select="all, left to right")
    assert [face.box[0] < 512 for face in found.face] == [True, False]
    assert all(torch.equal(photo, pair) for photo in found.photo)
    assert not torch.equal(*found.preview), "each shows its own face in green"
    both = found.landmarks[0][0, :, :, 0] > 0
    assert both[:, :512].any() and both[:, 512:].any() and torch.equal(*found.landmarks)
    assert found.report[0].startswith("2 found; took all, left to right: ")


def test_a_half_seen_bystander_stops_no_run(host, standins, detect, analysis, errors, astronaut, monkeypatch):
    """The detector sees her, and somebody as large at the right border."""
    look, part = analysis.det_model.detect, [290.0, 0, 290, 0, 0]

    def see_two(pixels, **size):
        boxes, landmarks = look(pixels, **size)
        return np.vstack([boxes, boxes + part]), np.vstack([landmarks, landmarks + part[:2]])

    monkeypatch.setattr(analysis.det_model, "detect", see_two)
    found = detect(image_of(astronaut), select="all, left to right")
    assert [face.box[0] < 256 for face in found.face] == [True]
    assert re.search(r"^2 found; took all.* 1 left out, with the middle .* box \[468, ", found.report[0])
    assert [face["half"] for face in detect.shown["consistentid_faces"][0]["faces"]] == [False, True]
    parser = host.nodes.model.hosting.make_patcher(
        host.consistentid.face.parsing.load_face_parser(next((standins / "consistentid").glob("*face_parsing.pth")))
    )
    inputs = {"face_parser": [parser], "image": found.photo, "side_px": ["512"], "face": found.face}
    assert len(run_node(host.nodes.regions.ParseFace, **inputs)[0]) == 1
    part[:] = [-250.0, 0, -250, 0, 0]
    monkeypatch.setattr(analysis.det_model, "detect", lambda *a, **b: [both[1:] for both in see_two(*a, **b)])
    with pytest.raises(errors.FaceNotFoundError, match=r"^Of 1 found .* no face has its middle .* Or set on_no_face"):
        detect(image_of(astronaut), select="all, left to right")


def test_every_output_of_a_list_belongs_to_the_same_face(detect, astronaut):
    """Two faces, then one: the host pairs the lists by position."""
    found = detect(image_of(make_photo("twice")), image_of(astronaut), select="all, left to right")
    assert [photo.shape[2] for photo in found.photo] == [1024, 1024, 512]
    assert [len(value) for value in vars(found).values()] == [3, 3, 3, 1, 3, 3]
    assert [picture.shape[2] for picture in found.preview] == [picture.shape[2] for picture in found.landmarks]


def test_transparent_and_grey_photos(host, astronaut):
    read_photo = host.nodes.boundary.layout.read_photo
    image = image_of(astronaut)
    with_alpha = torch.cat([image, torch.zeros_like(image[..., :1])], dim=-1)
    assert np.array_equal(read_photo(with_alpha), astronaut)
    grey = read_photo(image[..., :1])
    assert grey.shape == astronaut.shape and np.array_equal(grey[..., 0], astronaut[..., 0])
    assert np.array_equal(grey[..., 0], grey[..., 2])
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="batch of 2 images"):
        read_photo(image_of(astronaut, astronaut))


def test_the_stop_button_is_heard_between_photos(detect, astronaut):
    import comfy.model_management

    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        detect(image_of(astronaut, astronaut))


def test_tiny_photo(detect, errors):
    for policy in ("error", "skip", "continue without ID embedding"):
        with pytest.raises(errors.FaceNotFoundError, match="only 12x16 pixels"):
            detect(torch.zeros(1, 16, 12, 3), on_no_face=policy)
    with pytest.raises(errors.FaceNotFoundError, match=r"at least 256x256\. Or set on_no_face to 'skip'\.$"):
        detect(torch.zeros(1, 16, 12, 3))
    with pytest.raises(errors.FaceNotFoundError, match="No face found"):
        detect(torch.zeros(1, 16, 16, 3))


def test_huge_photo_gives_small_previews(detect, cascade, astronaut):
    huge = image_of(astronaut.repeat(5, axis=0).repeat(5, axis=1))
    found = detect(huge, source=cascade)
    assert found.preview[0].shape == found.landmarks[0].shape == (1, 2048, 2048, 3)
    assert torch.equal(found.photo[0], huge)


def test_face_analysis_of_another_embedding_space_is_refused(detect, errors, astronaut):
    """Other packs' loaders give the same socket, often with antelopev2 in it."""
    foreign = SimpleNamespace(models={"recognition": SimpleNamespace(model_file="/models/antelopev2/glintr100.onnx")})
    for policy in ("error", "skip", "continue without ID embedding"):
        with pytest.raises(errors.IncompatibleModelError, match=r"glintr100\.onnx.*another space"):
            detect(image_of(astronaut), source=foreign, on_no_face=policy)


def test_cascade_instead_of_insightface(detect, errors, cascade, astronaut):
    image = image_of(astronaut)
    found = detect(image, source=cascade, threshold=0.95, channel_order="RGB")
    assert found.face[0].id_embedding is None and found.face[0].landmarks is None
    left, top, right, bottom = found.face[0].box
    assert left < 225 < right and top < 121 < bottom
    assert found.crop[0].shape == (1, 112, 112, 3) and not found.landmarks[0].any()
    assert not torch.equal(found.preview[0], image) and "no ID embedding" in found.report[0]
    with pytest.raises(errors.FaceNotFoundError, match="No face found") as raised:
        detect(image_of(make_photo("nobody")), source=cascade)
    assert "threshold" not in str(raised.value), "the cascade has none"


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_photo_file_that_a_camera_turned(host, detect, tmp_path, monkeypatch, astronaut, orientation):
    import folder_paths

    import nodes

    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path))
    write_turned_photo(tmp_path / "photo.jpg", astronaut, orientation)
    image = nodes.LoadImage().load_image("photo.jpg")[0]
    np.testing.assert_allclose(detect(image).face[0].box, FACE_BOX, atol=4)
    ours = host.consistentid.face.photo.open_photo(tmp_path / "photo.jpg")
    theirs = host.nodes.boundary.layout.read_photo(image).astype(int)
    difference = np.abs(theirs - ours).mean()
    assert difference < 2, "the command line sees what the node sees; hosts decode JPEG differently"


def test_sockets_and_list_flags(host):
    schema = host.nodes.face.DetectFace.GET_SCHEMA()
    assert tuple(output.id for output in schema.outputs) == OUTPUTS
    assert host.nodes.face.DetectFace.INPUT_IS_LIST is True
    assert host.nodes.face.DetectFace.OUTPUT_IS_LIST == [True, True, True, False, True, True]
    accepted = schema.inputs[0].get_io_type().split(",")
    assert set(accepted) == {"FACEANALYSIS", "INSIGHTFACE", "CONSISTENTID_FACE_CASCADE"}
    assert host.nodes.face.LoadFaceCascade.GET_SCHEMA().outputs[0].io_type in accepted


def open_picture(picture) -> np.ndarray:
    """What /view would answer for a picture that a run tells the editor of."""
    import folder_paths

    assert picture["type"] == "temp"
    return np.asarray(Image.open(Path(folder_paths.get_temp_directory(), picture["subfolder"], picture["filename"])))


def test_the_editor_gets_every_face_with_its_place_in_each_order(host, astronaut):
    make_face = host.consistentid.face.face.Face
    right = make_face(np.array([300, 100, 420, 256]), np.zeros((5, 2)), 0.8, None, age=31, gender="female")
    left = make_face(np.array([-10, 0, 51.2, 60]), None, 1.0, None)
    photo = np.hstack([astronaut, astronaut])
    shown = host.nodes.boundary.display.show_faces(photo, [right, left])
    assert json.loads(json.dumps(shown)) == shown
    boxes = [face["box"] for face in shown["faces"]]
    np.testing.assert_allclose(boxes, [[0, 0, 0.05, 60 / 512], [300 / 1024, 100 / 512, 420 / 1024, 0.5]])
    assert [face["about"] for face in shown["faces"]] == ["score 1.00", "score 0.80, female, about 31 years"]
    assert shown["orders"] == {
        "largest": [1, 0],
        "most central": [1, 0],
        "left to right": [0, 1],
        "highest score": [0, 1],
    }
    picture = open_picture(shown["picture"])
    assert picture.shape == (384, 768, 3) and shown["ratio"] == 2
    assert np.abs(picture[:, 384:].astype(int) - np.asarray(Image.fromarray(astronaut).resize((384, 384)))).mean() < 4


def test_each_number_that_the_editor_offers_takes_that_face(detect):
    pair = image_of(make_photo("twice"))
    for index in (0, 1):
        box = detect(pair, select="left to right", index=index).face[0].box
        (shown,) = detect.shown["consistentid_faces"]
        np.testing.assert_allclose(np.multiply(shown["faces"][index]["box"], [1024, 512, 1024, 512]), box, atol=1e-3)


def test_the_editor_sees_photos_without_a_face_but_not_too_many(detect, astronaut):
    nobody, icon = image_of(make_photo("nobody")), torch.zeros(1, 12, 12, 3)
    detect(nobody, icon, image_of(astronaut), on_no_face="skip")
    empty, full = detect.shown["consistentid_faces"]
    assert empty["faces"] == [] and empty["orders"]["largest"] == [] and len(full["faces"]) == 1
    detect(*[image_of(astronaut)] * 10)
    assert len(detect.shown["consistentid_faces"]) == 8
