"""From a photo to an identity, node by node, and every photo users really bring."""

import json

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def analysis(host, standins):
    return host.nodes.face.load_face_analysis(next((standins / "insightface" / "models").glob("*buffalo_l")), "CPU")


@pytest.fixture(scope="module")
def clip_vision(host, tmp_path_factory):
    """ComfyUI's CLIP_VISION with ViT-H's width and tokens, and two layers."""
    return make_clip_vision(tmp_path_factory.mktemp("clip"), hidden_size=1280)


def make_clip_vision(folder, hidden_size, image_size=224):
    import comfy.clip_vision

    config = {
        "hidden_act": "gelu",
        "hidden_size": hidden_size,
        "image_size": image_size,
        "intermediate_size": 320,
        "model_type": "clip_vision_model",
        "layer_norm_eps": 1e-5,
        "num_attention_heads": 16,
        "num_channels": 3,
        "num_hidden_layers": 2,
        "patch_size": 14,
        "projection_dim": 64,
    }
    (folder / "config.json").write_text(json.dumps(config))
    model = comfy.clip_vision.ClipVisionModel(str(folder / "config.json"))
    generator = torch.Generator().manual_seed(0)
    state = {k: torch.randn(v.shape, generator=generator) * 0.02 for k, v in model.model.state_dict().items()}
    model.load_sd(state)
    return model


def image_of(*photos):
    return torch.from_numpy(np.stack(photos)).float() / 255


def detect(host, analysis, image, **options):
    defaults = {
        "select": "largest",
        "index": 0,
        "threshold": 0.5,
        "on_no_face": "error",
        "channel_order": "BGR",
    }
    return host.nodes.face.DetectFace.execute(analysis, image, **{**defaults, **options}).result


class DrawnParser:
    """A parser whose answer is a drawn label map: enough of ModelPatcher for the node."""

    def __init__(self, labels):
        self.labels = labels


@pytest.fixture
def drawn(host, monkeypatch):
    """Have ParseFace see a drawn label map instead of running BiSeNet."""

    def use(labels):
        monkeypatch.setattr(host.nodes.face, "load_to_device", lambda parser: "cpu")
        monkeypatch.setattr(host.nodes.face, "parse_face", lambda parser, photo, side: labels)

        class Parser:
            model = None

        return Parser()

    return use


@pytest.fixture
def face_labels():
    labels = np.zeros((512, 512), np.uint8)
    labels[60:190, 170:280] = 1
    labels[100:110, 190:210] = 4
    labels[100:110, 240:260] = 5
    labels[115:140, 220:232] = 10
    labels[150:156, 205:245] = 12
    labels[157:163, 205:245] = 13
    return labels


def encode(host, clip_vision, image, regions, face=None, caption=""):
    return host.nodes.identity.EncodeIdentity.execute(clip_vision, image, regions, face, caption).result[0]


def test_from_photo_to_identity(host, analysis, clip_vision, astronaut, drawn, face_labels):
    image = image_of(astronaut)
    face, preview, crop, report = detect(host, analysis, image)
    assert face.id_embedding.shape == (512,) and abs(np.linalg.norm(face.id_embedding) - 1) < 1e-5
    assert preview.shape == image.shape and not torch.equal(preview, image)
    assert crop.shape == (1, 112, 112, 3) and report.startswith("1 found")
    regions, overlay, crops, masks, report = host.nodes.face.ParseFace.execute(drawn(face_labels), image, "512").result
    assert list(regions) == ["Face", "Left_Eye", "Nose", "Upper_Lip"]
    assert overlay.shape == image.shape and crops.shape == (4, 512, 512, 3) and masks.shape == (4, 512, 512)
    assert report == "Found face, eyes, nose, mouth; missing: ears."
    identity = encode(host, clip_vision, image, regions, face, " a kind face ")
    assert identity.regions == tuple(regions) and identity.caption == "a kind face"
    assert {t.shape for t in (identity.photo_features, identity.zero_features)} == {(257, 1280)}


def test_features_equal_the_hosts_own_encoder(host, clip_vision, astronaut):
    features, zero = host.nodes.identity.encode_images(clip_vision, [astronaut])
    theirs = clip_vision.encode_image(image_of(astronaut))["penultimate_hidden_states"]
    # The two differ by their bicubic resize only: at most 0.015 of a pixel's standard deviation.
    assert torch.allclose(features, theirs, atol=0.05)
    pixels = torch.zeros(1, 3, 224, 224)
    assert torch.allclose(zero, clip_vision.model(pixel_values=pixels, intermediate_output=-2)[1][0], atol=1e-5)


def test_one_batched_pass_and_the_zero_image_only_once(host, tmp_path, astronaut):
    clip_vision = make_clip_vision(tmp_path, 1280)
    batches = []
    clip_vision.model.register_forward_pre_hook(
        lambda module, args, kwargs: batches.append(kwargs["pixel_values"].shape[0]), with_kwargs=True
    )
    first = host.nodes.identity.encode_images(clip_vision, [astronaut] * 3)
    second = host.nodes.identity.encode_images(clip_vision, [astronaut] * 3)
    assert batches == [1, 3, 3]
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


@pytest.mark.parametrize(
    ("hidden_size", "image_size", "message"),
    [(1024, 224, r"features of shape \[257, 1024\]"), (1280, 336, "images of 336 px")],
)
def test_wrong_clip_vision_is_refused(host, tmp_path, astronaut, hidden_size, image_size, message):
    wrong = make_clip_vision(tmp_path, hidden_size, image_size)
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=message):
        encode(host, wrong, image_of(astronaut), {})


def test_batch_of_photos_is_refused(host, analysis, astronaut):
    with pytest.raises(host.consistentid.errors.ConsistentIDError, match="batch of 2 images"):
        detect(host, analysis, image_of(astronaut, astronaut))


def test_transparent_and_grey_photos(host, astronaut):
    read_photo = host.nodes.layout.read_photo
    image = image_of(astronaut)
    with_alpha = torch.cat([image, torch.zeros_like(image[..., :1])], dim=-1)
    assert np.array_equal(read_photo(with_alpha), astronaut)
    grey = read_photo(image[..., :1])
    assert grey.shape == astronaut.shape and np.array_equal(grey[..., 0], astronaut[..., 0])
    assert np.array_equal(grey[..., 0], grey[..., 2])


@pytest.mark.parametrize("shape", [(512, 300), (300, 512), (900, 700)], ids=["portrait", "landscape", "large"])
def test_photos_of_any_shape(host, clip_vision, drawn, face_labels, shape):
    photo = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    regions, overlay, crops, *_ = host.nodes.face.ParseFace.execute(drawn(face_labels), image_of(photo), "512").result
    assert overlay.shape[1:3] == crops.shape[1:3] == shape
    assert len(encode(host, clip_vision, image_of(photo), regions).regions) == 4


def test_huge_photo(host, clip_vision, drawn, face_labels):
    photo = np.zeros((8000, 6000, 3), np.uint8)
    regions, overlay, crops, *_ = host.nodes.face.ParseFace.execute(drawn(face_labels), image_of(photo), "512").result
    assert overlay.shape == (1, 2048, 1536, 3) and crops.shape == (4, 2048, 1536, 3)
    identity = encode(host, clip_vision, image_of(photo), {"Nose": regions["Nose"]})
    assert identity.regions == ("Nose",)


def test_tiny_photo(host, analysis):
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match="only 12x16 pixels"):
        detect(host, analysis, torch.zeros(1, 16, 12, 3))
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match="no face found"):
        detect(host, analysis, torch.zeros(1, 16, 16, 3))


def test_no_face(host, analysis, clip_vision, astronaut, drawn, face_labels):
    from skimage.data import coffee

    image = image_of(coffee())
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match=r"lower the threshold \(now 0.50\)"):
        detect(host, analysis, image)
    face, preview, _, report = detect(host, analysis, image, on_no_face="continue without ID embedding")
    assert face is None and "No ID embedding" in report and torch.equal(preview, image)
    regions = host.consistentid.face.regions.select_regions(face_labels)
    assert encode(host, clip_vision, image, regions, face).id_embedding is None


def test_several_faces(host, analysis, astronaut):
    pair = image_of(np.concatenate([astronaut, astronaut], axis=1))
    left, right = (detect(host, analysis, pair, select="left to right", index=i)[0] for i in (0, 1))
    assert left.box[0] < 512 < right.box[0]
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match=r"Face 2 .*; 2 faces found"):
        detect(host, analysis, pair, index=2)


def test_photo_without_any_region(host, drawn, astronaut):
    with pytest.raises(host.consistentid.errors.FaceNotFoundError, match="found no face, eyes"):
        host.nodes.face.ParseFace.execute(drawn(np.zeros((512, 512), np.uint8)), image_of(astronaut), "512")


def test_face_parser_file(host, standins, astronaut):
    parser = host.nodes.hosting.make_patcher(
        host.consistentid.face.parsing.load_face_parser(next((standins / "consistentid").glob("*face_parsing.pth")))
    )
    regions, *_ = host.nodes.face.ParseFace.execute(parser, image_of(astronaut), "512").result
    assert regions


def test_face_analysis_of_another_embedding_space_is_refused(host, astronaut):
    """Other packs' loaders give the same socket, often with antelopev2 in it."""
    from types import SimpleNamespace

    foreign = SimpleNamespace(models={"recognition": SimpleNamespace(model_file="/models/antelopev2/glintr100.onnx")})
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=r"glintr100\.onnx"):
        detect(host, foreign, image_of(astronaut))


def test_saved_identity_comes_back(host, make_identity):
    import folder_paths

    nodes = host.nodes.identity
    identity = make_identity(caption="a kind face")
    path = nodes.SaveIdentity.execute(identity, "Ada Lovelace").result[0]
    again = nodes.SaveIdentity.execute(identity, "Ada Lovelace").result[0]
    assert path != again and path.endswith("Ada Lovelace.safetensors")
    assert "Ada Lovelace.safetensors" in folder_paths.get_filename_list("consistentid_identities")
    loaded = nodes.LoadIdentity.execute("Ada Lovelace.safetensors").result[0]
    assert torch.equal(loaded.id_embedding, identity.id_embedding) and loaded.caption == identity.caption
    assert nodes.LoadIdentity.validate_inputs("nobody.safetensors").startswith("Identity 'nobody")
    assert nodes.LoadIdentity.fingerprint_inputs("Ada Lovelace.safetensors")


@pytest.mark.parametrize(
    "name", ["", "..", "../escape", "a/b", "a\\b", ".hidden", "what?", "nul\0", "bell\a", "x" * 101]
)
def test_identity_names_stay_in_their_folder(host, make_identity, name):
    with pytest.raises(host.consistentid.errors.IdentityFileError, match="not a usable file name"):
        host.nodes.identity.SaveIdentity.execute(make_identity(), name)


def test_caption_sources(host, astronaut):
    describe = host.nodes.describe.DescribeFace.execute

    class Captioner:
        def describe(self, photo, question, max_new_tokens):
            assert np.array_equal(photo, astronaut)
            return f"{question}|{max_new_tokens}"

    image = image_of(astronaut)
    assert describe("").result[0] == host.consistentid.adapter.config.SD15.fixed_sentence
    assert describe(" my words ", Captioner(), image).result[0] == "my words"
    assert describe("", Captioner(), image, "Q?", 20).result[0] == "Q?|20"
    with pytest.raises(host.consistentid.errors.CaptionError, match="connect 'image'"):
        describe("", Captioner())
