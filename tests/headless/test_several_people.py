"""Several people headless: each inside a mask, with ID tokens and words."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from consistentid.adapter.attention import Lora
from consistentid.adapter.masks import TokenMask
from consistentid.errors import ConsistentIDError, IncompatibleModelError
from consistentid.face.photo import open_photo
from consistentid.headless.masks import RunMasks, find_grid
from consistentid.headless.option_texts import parse_person
from consistentid.headless.person import load_photo_models, make_mask, prepare_adapter, read_identity
from consistentid.headless.portrait import draw_portrait
from consistentid.headless.portrait_settings import PortraitSettings, read_settings
from consistentid.headless.processors import CrossProcessor
from consistentid.identity.file import save_identity
from consistentid.identity.people import Person
from consistentid.model_files.small_models import find_zoo
from zoo import drawn_faces

LEFT, RIGHT = make_mask((0.0, 0.5)), make_mask((0.5, 1.0))
SIZE = (8, 16)


def make_seeded(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


class Layer(torch.nn.Module):
    """What is used of diffusers' attention, with projections that change nothing."""

    heads = 2

    def __init__(self, width: int):
        super().__init__()
        self.to_q = self.to_k = self.to_v = torch.nn.Identity()
        self.to_out = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])


@pytest.fixture
def attend():
    """A cross-attention of two people over [2, 8 * 16] pixels and 77 words; the second row is a negative."""
    lora = Lora(torch.zeros(32, 2), torch.zeros(2, 32))
    id_layer = torch.nn.Module()
    id_layer.to_k_ip = id_layer.to_v_ip = torch.nn.Linear(32, 32, bias=False)
    loras = dict.fromkeys(("to_q", "to_k", "to_v", "to_out"), lora)
    processor = CrossProcessor(loras, id_layer)
    people = (Person(None, LEFT), Person(None, RIGHT, 0.5))
    words = (TokenMask(torch.arange(3, 10), 77, LEFT), TokenMask(torch.arange(10, 20), 77, RIGHT))
    masks = RunMasks(people, SIZE, ((), words), (0, 0))

    pixels = make_seeded(2, SIZE[0] * SIZE[1], 32)

    def run(text, id_tokens):
        return processor(Layer(32), pixels, text, None, id_tokens, masks).unflatten(1, SIZE)

    return run


TEXT, ID_TOKENS = make_seeded(2, 77, 32), make_seeded(2, 2, 4, 32)


@pytest.mark.parametrize(("person", "places"), [(0, slice(3, 10)), (1, slice(10, 20))])
def test_nothing_of_a_person_is_read_in_the_others_mask(attend, person, places):
    whole = attend(TEXT, ID_TOKENS)
    text, id_tokens = TEXT.clone(), ID_TOKENS.clone()
    text[:, places] += 3
    id_tokens[:, person] += 3
    own, other = (slice(0, 8), slice(8, 16))[:: 1 if person == 0 else -1]
    for changed in (attend(text, ID_TOKENS), attend(TEXT, id_tokens)):
        assert torch.equal(changed[1, :, other], whole[1, :, other])
        assert ((changed[1, :, own] - whole[1, :, own]).abs().amax(-1) > 1e-3).all()
    assert not torch.equal(attend(text, ID_TOKENS)[0, :, other], whole[0, :, other]), "a negative has no such words"


def test_the_layer_of_each_size_has_its_grid():
    assert [find_grid((16, 33), pixels) for pixels in (16 * 33, 8 * 17, 4 * 9)] == [(16, 33), (8, 17), (4, 9)]
    with pytest.raises(IncompatibleModelError, match="100 pixels for a latent of 33 x 16"):
        find_grid((16, 33), 100)


@pytest.fixture
def settings(tmp_path) -> PortraitSettings:
    """A photo on the left, a saved identity on the right."""
    for seed in (3, 16):
        Image.fromarray(drawn_faces.draw_example(seed, 0, 256).image).save(tmp_path / f"{seed}.png")
    usual = PortraitSettings(base="zoo", steps=2, width=256, seed=1, merge_at=0.5)
    read = replace(usual, device="cpu", dtype="float32", **{k: str(v) for k, v in find_zoo().items()})
    adapter, _ = prepare_adapter(read)
    photo = open_photo(tmp_path / "16.png")
    him, _ = read_identity(photo, read, adapter, load_photo_models(replace(read, face="x"), adapter))
    file = save_identity(replace(him, caption="a long face, brown eyes"), tmp_path / "him.safetensors")
    return replace(
        usual,
        person=(f"{tmp_path / '3.png'}=left", f"{file}=0.52-1"),
        prompt="in a forest, <A> a woman wearing a red hoodie </A> <B> a man",
    )


def test_a_picture_of_two_people(settings):
    portrait = draw_portrait(settings, attention=True)
    assert [line[:2] for line in portrait.report[:2]] == ["A:", "B:"]
    assert portrait.report[2].startswith("A: 4 facial tokens") and "\nB: 2 facial tokens" in portrait.report[2]
    assert "in a forest, a woman wearing a red hoodie Detail: " in portrait.report[3]
    for region, maps in portrait.attention[0].maps.items():
        own, other = maps.chunk(2, -1)[:: 1 if region.startswith("A ") else -1]
        assert own.max() > 0.01 and other[..., 2:-2].abs().max() < 1e-6, f"{region} acts in the own mask alone"
    assert {title[:3] for title, _ in portrait.stages} == {"A: "}, "nothing was looked for in an identity"
    first = np.asarray(portrait.images[0])
    assert first.shape == (128, 256, 3)
    her, him = settings.person
    elsewhere = replace(settings, person=(her.replace("left", "0.3-0.48"), him))
    everywhere = replace(settings, person=(her.removesuffix("=left"), him))
    others = [np.asarray(draw_portrait(one).images[0]) for one in (elsewhere, everywhere)]
    assert not any(np.array_equal(first, other) for other in others) and not np.array_equal(*others)


def test_one_person_of_several_and_a_mask(settings, tmp_path):
    """A mask picture in place of a part of the width; a picture keeps the settings that repeat it."""
    Image.fromarray(np.repeat([[255] * 64 + [0] * 64], 32, axis=0).astype(np.uint8)).save(tmp_path / "mask.png")
    assert torch.equal(make_mask(str(tmp_path / "mask.png")).mask[0, 0, [0, 63, 64, 127]], torch.tensor([1.0, 1, 0, 0]))
    assert settings.photos == [str(tmp_path / "3.png")]
    one = replace(settings, person=(f"{tmp_path / '3.png'}={tmp_path / 'mask.png'}",), prompt="a woman")
    assert one.list_files()[:2] == [str(tmp_path / "3.png"), str(tmp_path / "mask.png")]
    one.check()
    assert make_mask(None) is None


def test_pictures_made_before_there_were_several_people_can_be_repeated(tmp_path):
    record = json.loads(PortraitSettings(face="x", prompt="y").to_json())
    del record["settings"]["person"]
    chunk = PngInfo()
    chunk.add_itxt("consistentid", json.dumps(record))
    Image.new("RGB", (8, 8)).save(tmp_path / "old.png", pnginfo=chunk)
    assert read_settings(tmp_path / "old.png") == PortraitSettings(face="x", prompt="y")


@pytest.mark.parametrize("text", ["a=", "=left", "a=0.5-0.2", "a=0.2-1.5", "a=1-1"])
def test_places_that_cannot_be(text):
    with pytest.raises(ConsistentIDError, match="is no person and place: write FILE=left"):
        PortraitSettings(person=(text,)).check()


def test_choices_that_do_not_go_with_several_people(settings):
    for changes, message in (({"face": "x"}, "--person FILE=PLACE"), ({"word": "f l", "prompt": "f l"}, "--face")):
        with pytest.raises(ConsistentIDError, match=message):
            replace(settings, **changes).check()
    assert parse_person("her.jpg") == ("her.jpg", None)
