"""The third base model, the small one of the zoo: from a photo to a picture, and what does not go together with it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.adapter.checkpoint import load_adapter
from consistentid.adapter.config import RELEASED, SD15, ZOO
from consistentid.adapter.sites import list_sites
from consistentid.errors import CheckpointError, ConsistentIDError, IncompatibleModelError
from consistentid.face.parsing import load_face_parser
from consistentid.face.photo import open_photo
from consistentid.face.region_words import ALL_WORDS
from consistentid.face2diffusion.encoder import TextIdentity
from consistentid.headless.clip_text import ClipText
from consistentid.headless.clip_vision import ClipVision, load_clip_vision
from consistentid.headless.conditioning import encode_prompt
from consistentid.headless.model_choice import find_files
from consistentid.headless.person import load_photo_models, read_identity
from consistentid.headless.pipeline import Sampling, load_pipeline, sample
from consistentid.headless.portrait import draw_portrait
from consistentid.headless.portrait_settings import PortraitSettings
from consistentid.headless.unet import detect_base, install_adapter
from consistentid.identity import Identity
from consistentid.identity.combination import combine_identities
from consistentid.identity.compatibility import check_adapter
from consistentid.identity.encode import encode_images
from consistentid.identity.file import load_identity, save_identity
from consistentid.model_files.small_models import find_zoo
from consistentid.prompt.compose import compose_for_identity
from consistentid.prompt.encode import encode_plain
from consistentid.prompt.mark import EXTRA_CLAUSES
from consistentid.prompt.unknown import find_unknown_words
from zoo import drawn_faces

PERSON = 8


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> PortraitSettings:
    """Of a run that names nothing but the base."""
    photo = tmp_path_factory.mktemp("photo") / "person.png"
    who = drawn_faces.sample_person(PERSON, held_out=True)
    where = drawn_faces.choose_scene(PERSON, 4, 0, held_out=True)
    Image.fromarray(drawn_faces.draw_portrait(who, where, 256).image).save(photo)
    return PortraitSettings(base="zoo", face=str(photo), prompt="a man wearing a red hoodie", steps=3, seed=1)


@pytest.fixture(scope="module")
def adapter(zoo_models):
    return load_adapter(zoo_models / "consistentid_zoo.safetensors").to("cpu", torch.float32)


@pytest.fixture(scope="module")
def pipeline(zoo_models):
    pipeline = load_pipeline(zoo_models / "base", ZOO)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def identity(make_identity) -> Identity:
    person = make_identity()
    features = {key: tensor[:65, :192].clone() for key, tensor in person.region_features.items()}
    photo, zero = (tensor[:65, :192].clone() for tensor in (person.photo_features, person.zero_features))
    return replace(person, photo_features=photo, zero_features=zero, region_features=features)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("A woman wearing a red Hoodie, on a beach, smiling", ()),
        ("a woman in a spaceship, (astronaut:1.2), Spaceship", ("spaceship", "astronaut")),
        ("<A> a man </A>, 35 years, embedding:mystery", ("years",)),
        (ZOO.fixed_sentence + " " + EXTRA_CLAUSES["Hair"], ()),
        ("雪山", ("雪山",)),
        ("", ()),
    ],
)
def test_words_that_the_tokenizer_spells_are_named(pipeline, text, unknown):
    assert find_unknown_words(text, ZOO, ClipText(pipeline, ZOO)) == unknown
    assert find_unknown_words(text, SD15, None) == (), "others know every word"


def test_a_word_that_stands_for_a_person_is_known(pipeline):
    anna = TextIdentity(torch.zeros(2, ZOO.width))
    text = "anna in a spaceship"
    assert find_unknown_words(text, ZOO, ClipText(pipeline, ZOO)) == ("anna", "spaceship")
    assert find_unknown_words(text, ZOO, ClipText(pipeline, ZOO, {"anna": anna})) == ("spaceship",)


def test_a_portrait(settings):
    settings = replace(settings, prompt=f"{settings.prompt} in a spaceship")
    portrait = draw_portrait(settings)
    assert portrait.report[-1] == "Unknown to the small models: spaceship."
    assert portrait.report[0].startswith("Found face, eyes, ears, nose, mouth; with ID embedding.")
    assert "5 facial tokens" in portrait.report[1]
    record = json.loads(portrait.settings.to_json())["settings"]
    assert (record["base"], record["width"], record["height"], record["guidance"]) == ("zoo", 128, 128, 5.0)
    pixels = np.asarray(portrait.images[0])
    assert pixels.shape == (128, 128, 3) and pixels.std() > 3
    others = [replace(settings, **changes) for changes in ({"weight": 0.0}, {"merge_at": 0.0})]
    assert all(not np.array_equal(pixels, np.asarray(draw_portrait(other).images[0])) for other in others)


def test_hair_and_eyebrows_are_regions_on_request(settings, adapter, zoo_models):
    def read(**changes):
        asked = find_files(replace(settings, id_embedding=False, **changes))
        return read_identity(open_photo(asked.face), asked, adapter, models)[0].regions

    models = load_photo_models(replace(find_files(settings), id_embedding=False, device="cpu"), adapter)
    usual = ("Face", "Left_Eye", "Left_Ear", "Nose", "Upper_Lip")
    assert read() == usual and read(brows=True, hair=True) == (*usual, "Brows", "Hair")
    assert read(hair=True, left_out="brows, ears, face") == ("Left_Eye", "Nose", "Upper_Lip", "Hair")
    with pytest.raises(ConsistentIDError, match="There is no region 'beard' to leave out"):
        replace(settings, left_out="beard").check()


def test_an_adapter_that_knows_hair_fits_its_base_model(pipeline, adapter):
    knowing = replace(adapter, config=replace(ZOO, regions=ALL_WORDS))
    install_adapter(pipeline.unet, knowing).remove()
    with pytest.raises(IncompatibleModelError, match=r"is for SD1\.5, but this UNet is of the small models"):
        install_adapter(pipeline.unet, replace(adapter, config=replace(SD15, regions=ALL_WORDS)))


def test_weight_zero_is_the_model_without_an_adapter(pipeline, adapter, identity):
    clip = ClipText(pipeline, ZOO)
    composed = compose_for_identity("a photo of a woman", "", identity, ZOO, clip)
    conditioning = encode_prompt(clip, adapter, identity, composed)
    sampling = Sampling(3, 5.0, 128, 128, 0.6, (1,))
    plain = sample(pipeline, replace(conditioning, id_tokens=None), sampling, output_type="latent")
    installed = install_adapter(pipeline.unet, adapter, 0.0, 0.0)
    try:
        off = sample(pipeline, conditioning, sampling, output_type="latent")
        installed.set_weights(1.0, 1.0)
        on = sample(pipeline, conditioning, sampling, output_type="latent")
    finally:
        installed.remove()
    assert torch.equal(plain, off)
    assert (on - plain).abs().max() > 0.05 * plain.abs().max()


def test_the_negative_has_no_facial_tokens(pipeline, adapter, identity):
    """So the zoo's adapter was trained: what is dropped has none."""
    clip = ClipText(pipeline, ZOO)
    composed = compose_for_identity("a photo of a woman", "", identity, ZOO, clip)
    plain = encode_plain(clip, "blurry")[0].rows
    conditioning = encode_prompt(clip, adapter, identity, composed, "blurry")
    assert torch.equal(conditioning.text.negative, plain) and torch.equal(conditioning.facial.negative, plain)
    assert not torch.equal(conditioning.facial.positive, conditioning.text.positive)


def test_its_sites_are_those_of_the_unet(pipeline, adapter):
    names = [name.removesuffix(".processor") for name in pipeline.unet.attn_processors]
    assert names == [f"{site.diffusers}.{part}" for site in list_sites(ZOO) for part in ("attn1", "attn2")]
    assert detect_base(pipeline.unet) is ZOO and adapter.config.name == ZOO.name
    assert [len(layer.to_k_ip.weight) for layer in adapter.id_layers] == [64, 96, 96, 96, 64, 64, 96]


def test_the_parser_is_as_narrow_as_its_file(zoo_models):
    parser = load_face_parser(zoo_models / "face_parsing.safetensors")
    assert parser.cp.resnet.conv1.out_channels == 12 and parser.conv_out.conv_out.in_channels == 48
    assert parser.conv_out.conv_out.weight.dtype == torch.float32 and not parser.training


def test_image_encoders_are_told_apart(zoo_models, files, astronaut):
    features, zero = encode_images(ClipVision(load_clip_vision(zoo_models / "image_encoder", ZOO)), [astronaut])
    assert features.shape == (1, *ZOO.sizes.image_shape) and zero.shape == ZOO.sizes.image_shape
    with pytest.raises(IncompatibleModelError, match=r"patch 28\); the adapter for SD1.5 needs width 1280.*ViT-H-14"):
        load_clip_vision(zoo_models / "image_encoder", SD15)
    for path in (files["clip_vision"], files["clip_vision"] / "model.safetensors"):
        with pytest.raises(IncompatibleModelError, match=r"width 1280.* for the small models needs width 192"):
            load_clip_vision(path, ZOO)


def test_an_identity_made_by_other_models_is_refused(adapter, identity, make_identity):
    with pytest.raises(IncompatibleModelError, match=r"shape \[65, 192\], but those .* are \[257, 1280"):
        encode_prompt(None, adapter, make_identity(), None)
    with pytest.raises(IncompatibleModelError, match=r"by zoo_r\.onnx, but .* recognised with w600k_r50\.onnx"):
        encode_prompt(None, adapter, replace(identity, notes={"recogniser": "w600k_r50.onnx"}), None)
    check_adapter(replace(identity, notes={"recogniser": "zoo_r.onnx"}), ZOO, "x")
    check_adapter(replace(identity, id_embedding=None, notes={"recogniser": "w600k_r50.onnx"}), ZOO, "x")
    for config in RELEASED:
        check_adapter(make_identity(), config, "x")


def test_identities_of_other_models_are_not_combined(identity, make_identity):
    with pytest.raises(IncompatibleModelError, match="another CLIP_VISION"):
        combine_identities([identity, make_identity()])
    by_zoo, by_released, by_nobody = (
        replace(identity, notes={"recogniser": name} if name else {}) for name in ("zoo_r.onnx", "w600k_r50.onnx", "")
    )
    with pytest.raises(IncompatibleModelError, match=r"identity 3 was recognised with w600k.*of identity 2 with zoo_r"):
        combine_identities([by_nobody, by_zoo, by_released])
    assert combine_identities([by_nobody, by_zoo])[0].region_features.keys() == identity.region_features.keys()


def test_an_identity_as_a_file(identity, make_identity, tmp_path):
    person = load_identity(save_identity(identity, tmp_path / "person.safetensors"))
    assert torch.equal(person.photo_features, identity.photo_features)
    mixed = replace(identity, zero_features=make_identity().zero_features)
    with pytest.raises(ConsistentIDError, match="zero_features"):
        save_identity(mixed, tmp_path / "mixed.safetensors")


def test_its_files_are_found(settings, zoo_models, tmp_path):
    found = find_files(settings)
    assert found.face_package == str(zoo_models / "face") and found.checkpoint == str(zoo_models / "base")
    assert find_files(replace(settings, adapter="mine.bin")).adapter == "mine.bin"
    (tmp_path / "image_encoder").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "image_encoder" / name).touch()
    with pytest.raises(CheckpointError, match=r"face_parsing\.safetensors is missing\. Leave out.*--face-parser"):
        find_files(replace(settings, models_folder=str(tmp_path), adapter="a", checkpoint="b", face_package="c"))


def test_a_part_that_does_not_come_with_the_pack_is_said_to_be_trained():
    with pytest.raises(
        CheckpointError, match=r"face2diffusion is missing\. It does not come with the pack: .*zoo\.recipe"
    ):
        find_zoo(["face2diffusion"])
