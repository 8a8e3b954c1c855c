"""Parse Face and Edit Regions: what their outputs show, and what they pass on."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.host

BOX = np.array([170, 60, 280, 190])
PUBLISHED = ["Face", "Left_Eye", "Nose", "Upper_Lip"]


def image_of(*photos):
    return torch.from_numpy(np.stack(photos)).float() / 255


def draw_labels() -> np.ndarray:
    """A label map 512x512 of a face that fills half of it."""
    labels = np.zeros((512, 512), np.uint8)
    labels[80:300, 110:400] = 17
    labels[128:384, 140:372] = 1
    labels[190:200, 170:230], labels[190:200, 280:340] = 2, 3
    labels[210:235, 170:230], labels[210:235, 280:340] = 4, 5
    labels[240:300, 230:280] = 10
    labels[320:330, 210:300], labels[334:346, 210:300] = 12, 13
    return labels


@pytest.fixture
def parse(host, monkeypatch):
    """Runs ParseFace with a parser that answers with a drawn label map."""
    monkeypatch.setattr(host.nodes.model.hosting, "load_to_device", lambda parser, whole: "cpu")

    def run(photo, labels=None, side_px="512", **options):
        labels = draw_labels() if labels is None else labels
        parser = SimpleNamespace(model=SimpleNamespace(source="", parse=lambda photo, side: labels))
        output = host.nodes.regions.ParseFace.execute(parser, image_of(photo), side_px, **options)
        run.shown = output.ui
        return output.result

    return run


@pytest.fixture
def edit(host):
    def run(*inputs, **options):
        return host.nodes.regions.EditRegions.execute(*inputs, **options).result

    return run


def make_face(box, photo="", others=(), landmarks=None):
    return SimpleNamespace(box=np.asarray(box), photo=photo, others=others, landmarks=landmarks)


def make_mask(top, bottom, left, right, size=512):
    mask = torch.zeros(1, size, size)
    mask[:, top:bottom, left:right] = 1
    return mask


def test_whole_photo(parse, astronaut):
    regions, overlay, crops, masks, report = parse(astronaut)
    assert list(regions.masks) == PUBLISHED and regions.frame is None
    assert overlay.shape == (1, 512, 512, 3) and not torch.equal(overlay, image_of(astronaut))
    assert crops.shape == (4, 224, 224, 3) and masks.shape == (4, 512, 512)
    assert report == (
        "Found face, eyes, nose, mouth; missing: ears. CLIP sees the whole photo, since no face is connected."
    )
    for mask, stored in zip(masks, regions.masks.values(), strict=True):
        assert torch.equal(mask, torch.from_numpy(stored) / 255)


def test_extra_regions_are_off_by_default(parse, astronaut):
    regions, _, crops, masks, report = parse(astronaut, brows=True, hair=True)
    assert list(regions.masks) == [*PUBLISHED, "Brows", "Hair"] and len(crops) == len(masks) == 6
    assert report.startswith("Found face, eyes, nose, mouth, eyebrows, hair; missing: ears.")
    bald = np.where(draw_labels() == 17, 0, draw_labels()).astype(np.uint8)
    assert "missing: ears, hair." in parse(astronaut, bald, hair=True)[-1]
    assert list(parse(astronaut, hair=True)[0].masks) == [*PUBLISHED, "Hair"]


def test_a_face_of_another_photo_is_refused(host, parse, astronaut):
    """Lists may be paired wrongly by whoever wires them: a photo without a face left out, say."""
    other = astronaut[:, ::-1]
    face = make_face(BOX, host.consistentid.face.photo.hash_photo(astronaut))
    parse(astronaut, face=face)
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match=r"not found in this photo.*'photo'"):
        parse(other, face=face)


def test_eyes_by_the_landmarks(parse, astronaut):
    """Only where the parser found none; they are drawn in the square around the face."""
    blind = np.where(np.isin(draw_labels(), (4, 5)), 1, draw_labels()).astype(np.uint8)
    (left, top, right, bottom), middle = BOX, (BOX[0] + BOX[2]) / 2
    eye_y, mouth_y, reach = top + 0.45 * (bottom - top), top + 0.8 * (bottom - top), 0.2 * (right - left)
    points = [(middle + side * reach, y) for y, side in ((eye_y, -1), (eye_y, 1), (mouth_y, -1), (mouth_y, 1))]
    landmarks = np.array([*points[:2], (middle, (eye_y + mouth_y) / 2), *points[2:]])
    regions, *_, report = parse(astronaut, blind, face=make_face(BOX, landmarks=landmarks))
    assert list(regions.masks) == PUBLISHED and "Eyes from the landmarks: the parser found none." in report
    assert "eyes" not in parse(astronaut, blind, face=make_face(BOX))[-1].split("missing")[0]
    seen = parse(astronaut, face=make_face(BOX, landmarks=landmarks))
    assert "landmarks" not in seen[-1] and seen[-1] == parse(astronaut, face=make_face(BOX))[-1]


def test_pairs(parse, astronaut):
    first, both = (parse(astronaut, pairs=pairs)[0].masks for pairs in ("first", "both"))
    assert list(first) == list(both) == PUBLISHED
    assert (both["Left_Eye"] > 0).sum() == 2 * (first["Left_Eye"] > 0).sum()
    assert np.array_equal(first["Nose"], both["Nose"])


def test_around_a_face(parse, astronaut):
    face = make_face(BOX)
    regions, overlay, crops, masks, report = parse(astronaut, face=face)
    assert regions.frame is None and "large and central enough" in report
    outside = np.ones((512, 512), bool)
    outside[:255, 95:355] = False
    assert not masks[:, outside].any() and masks[0, 60:190, 170:280].mean() > 0.9
    changed = (overlay != image_of(astronaut))[0].any(-1).numpy()
    assert changed[60:190, 170:280].all() and not changed[outside].any(), "the overlay is the whole photo"
    framed = parse(astronaut, face=face, framing="head")
    assert framed[0].frame == (95, 0, 355, 260) and "the head, 260 px at (95, 0): as chosen" in framed[-1]
    assert torch.equal(framed[3], masks)
    seen = (framed[2] > 0.02).any(-1).float().mean((1, 2)) / (crops > 0.02).any(-1).float().mean((1, 2))
    assert ((seen > 2.5) & (seen < 5)).all(), "regions are (512 / 260) ** 2 = 3.9 times as large for CLIP"


def test_advice_on_small_eyes_fits_what_is_connected_and_chosen(parse, astronaut):
    labels = draw_labels()
    labels[(labels == 4) | (labels == 5)] = 1
    labels[210:222, 170:182] = 4
    report = {
        "alone": parse(astronaut, labels)[-1],
        "auto": parse(astronaut, labels, face=make_face(BOX))[-1],
        "whole": parse(astronaut, labels, face=make_face(BOX), framing="whole photo")[-1],
        "head": parse(astronaut, labels, face=make_face((200, 80, 250, 140)), framing="head")[-1],
    }
    assert report["alone"].endswith("eyes: only 28 of CLIP's 224x224 pixels; connect a face and use framing 'head'.")
    assert "the head, 260 px at (95, 0): in the whole photo the eyes have only 7 of CLIP's pixels" in report["auto"]
    assert report["whole"].endswith("eyes: only 7 of CLIP's 224x224 pixels; use framing 'head'.")
    assert report["head"].endswith("eyes: only 28 of CLIP's 224x224 pixels, and no framing is closer.")


def test_a_neighbour_is_left_out_and_the_report_says_so(parse, astronaut):
    alone = parse(astronaut, face=make_face(BOX))
    beside = parse(astronaut, face=make_face(BOX, others=(BOX + np.array([60, 0, 60, 0]),)))
    assert list(beside[0].masks) == PUBLISHED and beside[-1].endswith("What belongs to other faces was left out.")
    assert (beside[0].masks["Face"] > 127).sum() < (alone[0].masks["Face"] > 127).sum()
    far = parse(astronaut, face=make_face(BOX, others=(BOX + np.array([400, 0, 400, 0]),)))
    assert far[-1] == alone[-1] and torch.equal(far[3], alone[3])


def test_crops_are_what_clip_gets(host, parse, astronaut):
    module = host.consistentid.face.regions
    mean, std = np.float32(module.CLIP_MEAN), np.float32(module.CLIP_STD)
    for framing in ("whole photo", "head"):
        regions, _, crops, *_ = parse(astronaut, face=make_face(BOX), framing=framing)
        for key, crop in zip(regions.masks, crops.numpy(), strict=True):
            pixels = module.preprocess_clip(regions.isolate(key)).transpose(1, 2, 0) * std + mean
            assert np.abs(pixels - crop).max() < 1e-5


def test_faults_are_reported(parse, astronaut):
    photo = np.concatenate([astronaut, np.zeros((512, 900, 3), np.uint8)], axis=1)
    sentence, *faults = parse(photo, face=make_face(BOX), framing="whole photo")[-1].split("\n")
    assert sentence.endswith("CLIP sees the whole photo.")
    assert [fault.split(" ", 1)[0] for fault in faults] == ["face:", "eyes:", "nose:", "mouth:"]
    assert all("lies outside the square CLIP sees" in fault for fault in faults)
    good = parse(photo, face=make_face(BOX))[-1]
    assert "\n" not in good and "leaves the centre square" in good


@pytest.mark.parametrize("shape", [(512, 300), (300, 512), (900, 700)], ids=["portrait", "landscape", "large"])
def test_photos_of_any_shape(parse, shape):
    photo = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    regions, overlay, crops, masks, _ = parse(photo)
    assert overlay.shape[1:3] == masks.shape[1:] == shape and crops.shape == (4, 224, 224, 3)
    assert regions.masks["Nose"].shape == (512, 512)


def test_huge_photo(parse):
    photo = np.zeros((6000, 4000, 3), np.uint8)
    labels = np.where(np.isin(draw_labels(), (1, 10)), draw_labels(), 0).astype(np.uint8)
    regions, overlay, crops, masks, _ = parse(photo, labels, face=make_face(np.array([100, 100, 800, 900])))
    assert overlay.shape == (1, 2048, 1365, 3) and masks.shape == (2, 2048, 1365) and crops.shape == (2, 224, 224, 3)
    assert regions.masks["Nose"].shape == (6000, 4000) and regions.frame == (0, 0, 1600, 1600)


def test_photo_without_any_region(host, parse, astronaut):
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match="found no face, eyes"):
        parse(astronaut, np.zeros((512, 512), np.uint8))


def test_face_parser_file(host, standins, astronaut):
    load = host.consistentid.face.parsing.load_face_parser
    parser = host.nodes.model.hosting.make_patcher(load(next((standins / "consistentid").glob("*face_parsing.pth"))))
    regions, *_ = host.nodes.regions.ParseFace.execute(parser, image_of(astronaut), "512").result
    assert {"Face", "Left_Eye", "Nose", "Upper_Lip"} <= regions.masks.keys()


def test_drawn_without_a_parser(edit, astronaut):
    """From a photo alone, region after region, to the same thing a parser gives."""
    face, crops, masks, report = edit("face", "replace", make_mask(60, 190, 170, 280), image=image_of(astronaut))
    assert (
        list(face.masks) == ["Face"]
        and crops.shape == (1, 224, 224, 3)
        and torch.equal(masks, make_mask(60, 190, 170, 280))
    )
    assert np.array_equal(face.photo, astronaut) and report == "Found face; missing: eyes, ears, nose, mouth."
    both, _, masks, report = edit("eyes", "add", make_mask(50, 55, 95, 105, size=256), face)
    assert list(both.masks) == ["Face", "Left_Eye"] and report.startswith("Found face, eyes; missing: ears")
    assert masks.shape == (2, 512, 512) and masks[1, 105, 200] == 1 and masks[1, 105, 230] == 0
    assert list(face.masks) == ["Face"], "the input is not changed"
    assert list(edit("face", "remove", regions=both)[0].masks) == ["Left_Eye"]


def test_editing_keeps_the_frame(parse, edit, astronaut):
    regions = parse(astronaut, face=make_face(BOX), framing="head")[0]
    edited, crops, *_ = edit("hair", "replace", make_mask(20, 60, 160, 290), regions)
    assert edited.frame == regions.frame and list(edited.masks) == [*PUBLISHED, "Hair"]
    rows, columns = np.nonzero((crops[-1] > 0.02).any(-1).numpy())
    assert np.abs(np.array([rows.min(), rows.max(), columns.min(), columns.max()]) - [17, 52, 56, 168]).max() <= 3


@pytest.fixture
def find_face(host):
    """A face that a cascade found: a box, and no ID embedding."""
    core = host.consistentid.face

    def find(photo, box):
        return core.face.Face(np.array(box), None, 1.0, None, photo=core.photo.hash_photo(photo))

    return find


def test_drawn_regions_of_a_small_face_are_framed_on_the_head(edit, find_face, astronaut):
    photo = np.pad(astronaut, ((256, 256), (512, 0), (0, 0)))
    eyes, face = make_mask(365, 370, 700, 760, size=1024), find_face(photo, BOX + np.array((512, 256, 512, 256)))
    whole, crops, *_, report = edit("eyes", "replace", eyes, image=image_of(photo))
    assert whole.frame is None and report.splitlines()[1] == "eyes: only 14 of CLIP's 224x224 pixels; connect a face."
    framed, seen, *_, report = edit("eyes", "replace", eyes, image=image_of(photo), face=face)
    assert framed.frame == (607, 251, 867, 511) and np.array_equal(framed.masks["Left_Eye"], whole.masks["Left_Eye"])
    assert report == (
        "Found eyes; missing: face, ears, nose, mouth. CLIP sees the head, 260 px at (607, 251): in the whole photo "
        "the face is only 13% of the shorter side."
    )
    assert (seen > 0.02).sum() > 5 * (crops > 0.02).sum()
    later, *_, report = edit("nose", "add", make_mask(380, 400, 720, 740, size=1024), framed)
    assert later.frame == framed.frame and "CLIP" not in report
    late, *_, report = edit("nose", "add", make_mask(380, 400, 720, 740, size=1024), whole, face=face)
    assert late.frame == framed.frame and "CLIP sees the head" in report


def test_a_face_changes_no_frame_that_is_there(parse, edit, find_face, astronaut):
    face = find_face(astronaut, BOX)
    near = find_face(astronaut, (120, 60, 340, 300))
    drawn, *_, report = edit("face", "replace", make_mask(60, 190, 170, 280), image=image_of(astronaut), face=near)
    assert drawn.frame is None and report.endswith("CLIP sees the whole photo: the face is large and central enough.")
    regions = parse(astronaut, face=face, framing="head")[0]
    edited, *_, report = edit("nose", "remove", regions=regions, face=face)
    assert edited.frame == regions.frame and report.endswith("CLIP sees the frame chosen before.")
    report = edit("eyes", "replace", make_mask(100, 105, 200, 210), image=image_of(astronaut), face=near)[-1]
    assert report.endswith("eyes: only 10 of CLIP's 224x224 pixels; look at its mask.")


def test_drawing_refuses_a_face_of_another_photo_too(host, edit, find_face, astronaut):
    other = np.ascontiguousarray(astronaut[:, ::-1])
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="not found in this photo"):
        edit("face", "replace", make_mask(60, 190, 170, 280), image=image_of(other), face=find_face(astronaut, BOX))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 64, 64), "64x64.* is empty"),
        (torch.ones(2, 64, 64), "one mask, but got a batch of 2"),
        (None, "a mask is needed"),
    ],
    ids=["empty", "batch", "none"],
)
def test_unusable_masks(host, edit, astronaut, mask, message):
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match=message):
        edit("nose", "replace", mask, image=image_of(astronaut))


def test_nothing_to_edit(host, edit):
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="connect 'regions', or a photo"):
        edit("nose", "replace", make_mask(0, 9, 0, 9))


def test_extra_regions_reach_the_conditioning(host, checkpoint, adapter, make_identity):
    """Seven regions, seven tokens, each behind its word."""
    words = ["face", "ears", "eyes", "nose", "mouth", "eyebrows", "hair"]
    regions = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip", "Brows", "Hair")
    prompts, model = host.consistentid.prompt, checkpoint[1].clone()
    encoder, identity = host.nodes.text.clip.HostedText(model), make_identity(regions=regions)
    composed = prompts.compose.compose_text("a person", "", [identity], adapter.config, encoder)
    assert composed.regions == regions and composed.unplaced == ()
    assert [part.split()[-1] for part in composed.marked.split(" <|facial|>")[:-1]] == words
    negative = prompts.encode.encode_plain(encoder, "")
    positive = prompts.encode.encode_stages(encoder, adapter, [identity], composed, negative).facial.positive
    fewer = prompts.compose.compose_text("a person", "", [make_identity(regions=regions[:5])], adapter.config, encoder)
    assert composed.plain.startswith(fewer.plain)
    plain = model.encode_from_tokens_scheduled(model.tokenize(composed.plain))[0][0]
    changed = (positive[-1][0] != plain).any(-1)[0].nonzero().flatten().tolist()
    tokenizer = model.tokenizer.clip_l
    tokens = [token for chunk in model.tokenize(composed.plain)["l"] for token, _ in chunk]
    assert [tokenizer.inv_vocab[tokens[row]].removesuffix("</w>") for row in changed] == words


def test_regions_that_are_left_out_are_not_encoded(parse, astronaut):
    regions, overlay, crops, masks, report = parse(astronaut, hair=True, left_out=" Eyes,hair, ears ")
    assert list(regions.masks) == ["Face", "Nose", "Upper_Lip"] and len(crops) == len(masks) == 3
    assert report.startswith("Found face, eyes, nose, mouth, hair; missing: ears. Left out: eyes, ears, hair.")
    whole = parse(astronaut, hair=True)
    assert all(np.array_equal(mask, whole[0].masks[key]) for key, mask in regions.masks.items())
    assert torch.equal(overlay, whole[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eye", "no region 'eye' to leave out.*face, eyes, ears, nose, mouth, eyebrows, hair"),
        ("face; nose", "no region 'face; nose'"),
        ("face, eyes, nose, mouth", r"Of the regions found \(face, eyes, nose, mouth\) none is left"),
    ],
)
def test_what_cannot_be_left_out(host, parse, astronaut, text, message):
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match=message):
        parse(astronaut, left_out=text)


def open_picture(picture) -> np.ndarray:
    import folder_paths

    return np.asarray(Image.open(Path(folder_paths.get_temp_directory(), picture["subfolder"], picture["filename"])))


def test_the_editor_gets_a_layer_for_each_region(host, parse, astronaut):
    """Also for those that are left out, so that they can be taken back."""
    regions = parse(astronaut, hair=True)[0]
    parse(astronaut, hair=True, left_out="eyes")
    (shown,) = parse.shown["consistentid_regions"]
    assert json.loads(json.dumps(shown)) == shown
    found = {region["word"]: region for region in shown["regions"]}
    assert list(found) == ["face", "eyes", "ears", "nose", "mouth", "hair"] and found["ears"]["picture"] is None
    assert len({region["colour"] for region in shown["regions"]}) == 6
    top, bottom, left, right = 80 - 46, 384 + 46, 110 - 46, 400 + 46  # all regions and 15% of their longer side
    picture = open_picture(shown["picture"])
    assert np.abs(picture[..., :3].astype(int) - astronaut[top:bottom, left:right]).max() <= 1
    assert shown["ratio"] == pytest.approx((right - left) / (bottom - top))
    layer = open_picture(found["eyes"]["picture"])
    mask = regions.masks["Left_Eye"][top:bottom, left:right] > 127
    assert np.array_equal(layer[..., 3] > 0, mask)
    colour = host.consistentid.face.preview.find_region_colour("Left_Eye")
    assert found["eyes"]["colour"] == "#{:02x}{:02x}{:02x}".format(*colour)
    assert np.abs(layer[mask][:, :3].astype(int) - colour).max() <= 1


def test_large_photos_are_shown_small(parse, astronaut):
    large = astronaut.repeat(3, axis=0).repeat(3, axis=1)
    parse(large)
    (shown,) = parse.shown["consistentid_regions"]
    assert max(open_picture(shown["picture"]).shape) == 768
    assert open_picture(shown["regions"][0]["picture"]).shape == open_picture(shown["picture"]).shape


def test_regions_too_small_to_be_seen_do_not_stop_the_run(host):
    regions = host.consistentid.face.regions.Regions
    mask = np.zeros((4096, 64), np.uint8)
    mask[2000, 30] = 255
    shown = host.nodes.boundary.display.show_regions(
        regions(np.zeros((4096, 64, 3), np.uint8), {"Nose": mask}), ["Nose"]
    )
    assert open_picture(shown["picture"]).shape == (768, 12, 4)
