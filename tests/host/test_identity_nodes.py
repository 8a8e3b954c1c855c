"""From a photo to an identity, node by node, and every photo users really bring."""

import dataclasses
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


def detect(host, analysis, image):
    """The face of one photo; DetectFace takes and gives lists."""
    widgets = ["largest"], [0], [0.5], ["error"], ["BGR"]
    return host.nodes.face.DetectFace.execute([analysis], [image], *widgets).result[0][0]


@pytest.fixture
def regions(host, astronaut):
    """The astronaut with regions of a drawn label map."""
    labels = np.zeros((512, 512), np.uint8)
    labels[60:190, 170:280] = 1
    labels[100:110, 190:210] = 4
    labels[100:110, 240:260] = 5
    labels[115:140, 220:232] = 10
    labels[150:156, 205:245] = 12
    labels[157:163, 205:245] = 13
    module = host.consistentid.face.regions
    return module.Regions(astronaut, module.select_regions(labels))


def encode_images(host, clip_vision, images):
    return host.consistentid.identity.encode.encode_images(host.nodes.identity.HostedClipVision(clip_vision), images)


def encode(host, clip_vision, regions, face=None, caption=""):
    return host.nodes.identity.EncodeIdentity.execute(clip_vision, regions, face, caption).result[0]


def test_from_photo_to_identity(host, analysis, clip_vision, astronaut, regions):
    face = detect(host, analysis, image_of(astronaut))
    identity = encode(host, clip_vision, regions, face, " a kind face ")
    assert np.array_equal(identity.id_embedding.numpy(), face.id_embedding)
    assert encode(host, clip_vision, regions, None).id_embedding is None
    assert identity.regions == ("Face", "Left_Eye", "Nose", "Upper_Lip") and identity.caption == "a kind face"
    assert {t.shape for t in (identity.photo_features, identity.zero_features)} == {(257, 1280)}


def test_clip_sees_the_frame(host, clip_vision, regions):
    framed = dataclasses.replace(regions, frame=(130, 20, 330, 220))
    identity = encode(host, clip_vision, framed)
    images = [framed.view_photo(), framed.isolate("Nose")]
    assert [image.shape for image in images] == [(200, 200, 3)] * 2
    features, _ = encode_images(host, clip_vision, images)
    assert torch.allclose(identity.photo_features, features[0], atol=1e-4)
    assert torch.allclose(identity.region_features["Nose"], features[1], atol=1e-4)
    whole = encode(host, clip_vision, regions)
    assert not torch.allclose(identity.region_features["Nose"], whole.region_features["Nose"], atol=0.05)


def test_features_equal_the_hosts_own_encoder(host, clip_vision, astronaut):
    features, zero = encode_images(host, clip_vision, [astronaut])
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
    first = encode_images(host, clip_vision, [astronaut] * 3)
    second = encode_images(host, clip_vision, [astronaut] * 3)
    assert batches == [1, 3, 3]
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


@pytest.mark.parametrize(
    ("hidden_size", "image_size", "message"),
    [(1024, 224, r"features of shape \[257, 1024\]"), (1280, 336, "images of 336 px")],
)
def test_wrong_clip_vision_is_refused(host, tmp_path, regions, hidden_size, image_size, message):
    wrong = make_clip_vision(tmp_path, hidden_size, image_size)
    with pytest.raises(host.consistentid.errors.IncompatibleModelError, match=message):
        encode(host, wrong, regions)


def test_caption_sources(host, astronaut):
    describe = host.nodes.describe.DescribeFace.execute

    class Captioner:
        def describe(self, photo, question, max_new_tokens):
            assert np.array_equal(photo, astronaut)
            return f"{question}|{max_new_tokens}"

    image = image_of(astronaut)
    assert describe("").result[0] == host.consistentid.adapter.config.SD15.fixed_sentence
    assert describe(" my words ", Captioner(), image).result[0] == "my words"
    assert describe("", Captioner(), image, "Q?", 20, "off").result[0] == "Q?|20"
    with pytest.raises(host.consistentid.errors.CaptionError, match="connect 'image'"):
        describe("", Captioner())
