"""The search for faces and the way from a photo to an identity, with a made-up engine behind the ports."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from consistentid.choices import ALL_FACES, GO_ON, ON_NO_FACE, SKIP, STOP
from consistentid.errors import ConsistentIDError, FaceNotFoundError, IncompatibleModelError
from consistentid.face import photo as photos
from consistentid.face.face import Face
from consistentid.face.photo import hash_photo
from consistentid.face.search import FaceSearch, detect_faces, search_photos
from consistentid.identity.encode import PhotoModels, encode_identity, encode_photo, parse_photo
from consistentid.likeness.faces import measure_reference, score_picture

SMALL = np.zeros((12, 12, 3), np.uint8)
BLACK = np.zeros((64, 64, 3), np.uint8)


@dataclass
class MadeUpFaces:
    """Finds the same boxes in every photo that is not black."""

    boxes: tuple = ((10, 10, 60, 60), (200, 20, 300, 130))
    has_threshold: bool = False
    recogniser: str = ""
    asked: list = field(default_factory=list)
    recognised: list = field(default_factory=list)

    def find_faces(self, photo, threshold=0.5, channel_order="BGR"):
        self.asked.append((threshold, channel_order))
        return [Face(np.array(box, np.float32), None, 0.9, None) for box in self.boxes if photo.any()]

    def recognise(self, photo, face, channel_order="BGR"):
        self.recognised.append((face.box[0], channel_order))
        return replace(face, id_embedding=np.full(512, 512**-0.5, np.float32))


class MadeUpParser:
    source = "made up"

    def parse(self, photo, side_px=512):
        labels = np.zeros((side_px, side_px), np.uint8)
        labels[side_px // 4 : -side_px // 4, side_px // 4 : -side_px // 4] = 1
        labels[side_px // 2 : side_px // 2 + 20, side_px // 2 : side_px // 2 + 20] = 10
        return labels


@dataclass(eq=False)
class MadeUpEncoder:
    batches: list = field(default_factory=list)

    @property
    def network(self):
        return self

    def encode_pixels(self, pixels):
        self.batches.append(len(pixels))
        return pixels.mean((1, 2, 3))[:, None, None].expand(-1, 5, 7)


@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_what_any_source_finds_is_completed(astronaut, order):
    source = MadeUpFaces(recogniser="w600k_r50.onnx")
    left, right = detect_faces(source, astronaut, 0.3, order)
    assert source.asked == [(0.3, order)]
    assert {face.photo for face in (left, right)} == {hash_photo(astronaut)}
    assert right.sharpness > 10 and right.recogniser == "w600k_r50.onnx"
    assert left.others[0] is right.box and right.others[0] is left.box


def test_embeddings_of_another_space_serve_to_compare_alone(astronaut):
    source = MadeUpFaces(recogniser="other.onnx")
    with pytest.raises(IncompatibleModelError, match=r"other\.onnx, whose embeddings live in another space"):
        detect_faces(source, astronaut)
    assert not source.asked and len(detect_faces(source, astronaut, any_recogniser=True)) == 2


def test_an_analysis_of_another_pack_may_have_a_method_of_the_same_name(astronaut):
    foreign = SimpleNamespace(models={}, det_model=None, find_faces=lambda photo: [])
    with pytest.raises(IncompatibleModelError, match="has no face recogniser"):
        detect_faces(foreign, astronaut)


@pytest.mark.parametrize(
    ("has_threshold", "advice"), [(True, "Or lower the threshold (now 0.40), or set"), (False, "Or set")]
)
def test_only_what_has_a_threshold_is_advised_to_lower_it(has_threshold, advice):
    search = FaceSearch(MadeUpFaces(has_threshold=has_threshold), threshold=0.4)
    with pytest.raises(FaceNotFoundError) as raised:
        search_photos(search, [BLACK])
    end = "on_no_face to 'skip' or 'continue without ID embedding'."
    assert str(raised.value).endswith(f"crop it to the person. {advice} {end}")


def test_photos_without_the_wanted_face(astronaut):
    search, photos = FaceSearch(MadeUpFaces()), [astronaut, BLACK, SMALL]
    with pytest.raises(FaceNotFoundError, match=r"^Photo 2 of 3: No face found"):
        search_photos(search, photos, STOP)
    went_on, skipped = (search_photos(search, photos, policy) for policy in (GO_ON, SKIP))
    assert [[face is not None for face in one.chosen] for one in went_on] == [[True], [False], []]
    assert [len(one.chosen) for one in skipped] == [1, 0, 0] and [one.faces for one in skipped[1:]] == [[], None]
    assert went_on[1].line.endswith("No ID embedding.") and skipped[1].line.endswith("Left out.")
    assert np.array_equal(went_on[1].crop(None), BLACK) and np.array_equal(went_on[1].mark(None), BLACK)
    with pytest.raises(FaceNotFoundError, match=r"(?s)^No photo is left\.\nPhoto 1 of 2.*\nPhoto 2 of 2"):
        search_photos(search, [BLACK, SMALL], SKIP)


@pytest.mark.parametrize(("select", "index", "wanted"), [("largest", 1, [40]), (ALL_FACES, 0, range(0, 290, 10))])
def test_of_a_crowd_only_who_is_asked_for_is_recognised(astronaut, select, index, wanted):
    """Recognising takes a second or so for each, on a CPU."""
    sizes = {30: 29, 40: 28}
    crowd = [(left, 10, left + sizes.get(left, 20), 30) for left in range(0, 290, 10)]
    source = MadeUpFaces(tuple(crowd), recogniser="w600k_r50.onnx")
    (found,) = search_photos(FaceSearch(source, select, index, channel_order="RGB"), [astronaut])
    assert source.recognised == [(left, "RGB") for left in wanted]
    assert len(found.faces) == 29 and [face.box[0] for face in found.chosen] == list(wanted)
    known = {id(face) for face in found.faces if face.id_embedding is not None and face.recogniser}
    assert known == set(map(id, found.chosen)), "the chosen are among all that were found"
    assert len(source.asked) == 1 and all(len(face.others) == 28 for face in found.faces)


def test_who_is_compared_is_recognised(astronaut):
    """Of a reference photo the largest face, of a picture everybody."""
    source = MadeUpFaces()
    reference = measure_reference(source, [astronaut, astronaut])
    assert [left for left, _ in source.recognised] == [200, 200]
    assert score_picture(source, reference, astronaut).faces == 2 and len(source.recognised) == 4


def test_the_search_takes_by_order_and_stops_when_told(astronaut):
    (found,) = search_photos(FaceSearch(MadeUpFaces(), ALL_FACES), [astronaut])
    assert found.chosen == found.faces and found.line.startswith("2 found; took all, left to right: ")
    (second,) = FaceSearch(MadeUpFaces(), "largest", 1).find(astronaut).chosen
    assert second.box[0] == 10
    watched = []

    def watch():
        watched.append(1)
        if len(watched) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_photos(FaceSearch(MadeUpFaces()), [astronaut] * 3, on_photo=watch)
    assert ON_NO_FACE == (STOP, GO_ON, SKIP)


def test_a_photo_becomes_an_identity_over_the_ports(astronaut):
    encoder = MadeUpEncoder()
    models = PhotoModels(encoder, MadeUpParser(), MadeUpFaces())
    identity, stages = encode_photo(astronaut, models, 256)
    assert identity.regions == ("Face", "Nose") and identity.id_embedding is not None
    assert [title for title, _ in stages.pictures] == ["Photo", "Face, 1 of 2", "Regions", "Face", "Nose"]
    assert stages.report.startswith("Found face, nose; with ID embedding. CLIP sees the head")
    assert stages.face_crop.shape == (112, 112, 3)
    nobody, stages = encode_photo(astronaut, PhotoModels(encoder, MadeUpParser(), None), 256)
    assert nobody.id_embedding is None and stages.face_crop is None and len(stages.pictures) == 4
    assert encoder.batches == [1, 3, 3], "zero pixels once"
    noseless, stages = encode_photo(astronaut, models, 256, omitted=("nose",))
    assert noseless.regions == ("Face",) and [title for title, _ in stages.pictures][3:] == ["Face"]
    assert torch.equal(nobody.zero_features, torch.zeros(5, 7))


def test_of_a_pair_the_first_or_both(astronaut):
    """The view of the eyes shows one of two, or both."""
    labels = np.zeros((256, 256), np.uint8)
    labels[60:70, 80:100], labels[60:70, 120:140] = 4, 5
    parser = SimpleNamespace(parse=lambda photo, side_px: labels, source="made up")
    models = PhotoModels(MadeUpEncoder(), parser, None)
    first, both = (
        dict(encode_photo(astronaut, models, 256, unite_pairs=united)[1].pictures)["Eyes"] for united in (False, True)
    )
    assert (first[120:140, 160:200] > 0).any() and not (first[120:140, 240:280] > 0).any()
    assert (both[120:140, 240:280] > 0).any()


def test_the_steps_alone_give_the_same(astronaut):
    models = PhotoModels(MadeUpEncoder(), MadeUpParser(), MadeUpFaces())
    identity, _ = encode_photo(astronaut, models, 256)
    (face,) = FaceSearch(models.faces).find(astronaut).chosen
    parsed = parse_photo(models.parser, astronaut, 256, face)
    again = encode_identity(parsed.regions, face, models.encoder, " a kind face ")
    assert again.caption == "a kind face" and torch.equal(again.photo_features, identity.photo_features)
    assert all(torch.equal(again.region_features[key], identity.region_features[key]) for key in identity.regions)
    with pytest.raises(ConsistentIDError, match="was not found in this photo"):
        parse_photo(models.parser, astronaut[:400], 256, face)


def test_pixels_are_hashed_once_unless_they_may_change(monkeypatch):
    photo, hashed = np.zeros((16, 16, 3), np.uint8), []
    monkeypatch.setattr(photos, "_compute_hash", lambda array: hashed.append(1) or str(array.sum()))
    first = hash_photo(photo)
    photo[0, 0, 0] = 1
    assert hash_photo(photo) != first, "an array that can be written to may be another photo"
    photo.flags.writeable = False
    assert {hash_photo(photo) for _ in range(3)} == {"1"} and len(hashed) == 3
    place = id(photo)
    assert place in photos._hashes
    del photo
    assert place not in photos._hashes
