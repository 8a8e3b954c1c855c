"""What facial tokens get of the attention: measured, kept over a run, and drawn."""

import numpy as np
import pytest
import torch
from PIL import Image

from consistentid.adapter.attention_maps import AttentionRecord, RegionMaps, attend_to_regions, repeat_positions
from consistentid.attention_sheet import choose_steps, draw_attention_sheet, draw_heat, draw_regions_heat, find_colour
from consistentid.errors import ConsistentIDError
from consistentid.prompt.align import FacialPrompt
from consistentid.prompt.encode import find_tokens
from consistentid.prompt.group import GroupPrompt

GREY = Image.new("RGB", (64, 96), (90, 120, 60))


def make_projected(pixels=12, tokens=7, width=8):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(count, width, generator=generator) * 3 for count in (pixels, tokens))


def test_regions_get_what_plain_attention_gives_their_tokens():
    query, key = make_projected()
    maps = attend_to_regions(query.half(), key.half(), 2, [(1,), (2, 5)])
    plain = torch.stack(
        [
            (query[:, part].half().float() @ key[:, part].half().float().T / 2).softmax(1)
            for part in (slice(0, 4), slice(4, 8))
        ]
    ).mean(0)
    assert maps.dtype == torch.float32 and maps.shape == (2, 12)
    assert torch.allclose(maps, torch.stack([plain[:, 1], plain[:, 2] + plain[:, 5]]), atol=1e-6)


def test_a_pixel_gives_all_its_attention_and_a_masked_token_gets_none():
    query, key = make_projected()
    bias = torch.zeros(12, 7)
    bias[:6, 3] = -1e4
    maps = attend_to_regions(query, key, 2, [(0, 1, 2), (3,), (4, 5, 6)], bias)
    assert torch.allclose(maps.sum(0), torch.ones(12), atol=1e-6)
    assert maps[1, :6].max() == 0 < maps[1, 6:].min()


def test_texts_that_an_engine_has_repeated():
    assert repeat_positions((1, 3), 5, 15) == (1, 3, 6, 8, 11, 13)
    assert repeat_positions((1, 3), 5, 5) == repeat_positions((1, 3), 5, 9) == (1, 3)


def test_a_record_is_the_mean_over_layers_and_keeps_the_mass():
    record = AttentionRecord()
    fine, other, coarse = torch.rand(1, 32), torch.rand(1, 32), torch.rand(1, 8)
    for layer in (fine, other):
        record.add(0, 2, ["nose"], layer, (8, 4))
    record.add(0, 2, ["nose"], coarse, (4, 2))
    record.add(0, 3, ["nose"], fine, (8, 4))
    record.add(1, 3, ["eyes"], fine, (8, 4))
    record.count = 4
    own = record.read(0)
    assert (list(own.maps), own.steps, own.count) == (["nose"], (2, 3), 4)
    first, second = own.maps["nose"]
    assert float(first.mean()) == pytest.approx(float(fine.mean() + other.mean() + coarse.mean()) / 3, rel=1e-5)
    assert torch.equal(second, fine.view(8, 4))
    assert list(record.read(1).maps) == ["eyes"] and record.read(2).maps == {}


def test_parts_of_a_picture_are_put_together():
    record, left, right = AttentionRecord(), torch.rand(1, 16), torch.rand(1, 16)
    for part, column in ((left, 0), (right, 4)):
        record.add(0, 1, ["face"], part, (4, 4), ((4, 8), (4, 4, 0, column)))
    assert torch.equal(record.read(0).maps["face"][0], torch.cat([left.view(4, 4), right.view(4, 4)], 1))


def test_tokens_of_regions_people_and_encoders():
    alone = FacialPrompt("", "", "", ("Face", "Left_Eye", "Right_Eye"))
    assert find_tokens(alone, torch.tensor([4, 7, 9])) == {"face": (4,), "eyes": (7, 9)}
    assert find_tokens(alone, torch.tensor([[4, 4, 5], [7, 7, 7]])) == {"face": (4, 5), "eyes": (7,)}
    both = GroupPrompt("", "", "", ("Nose", "Nose"), owners=(0, 1))
    assert find_tokens(both, torch.tensor([2, 6])) == {"A nose": (2,), "B nose": (6,)}


def make_maps(*regions, steps=(4, 5, 6)):
    maps = {}
    for number, region in enumerate(regions):
        maps[region] = torch.full((len(steps), 12, 8), 0.01)
        maps[region][:, 2 * number : 2 * number + 2] = 0.2
    return RegionMaps(maps, steps, 6)


def test_heat_is_brightest_where_the_map_is_and_colours_are_the_regions():
    own = make_maps("nose", "B mouth")
    heat = np.asarray(draw_heat(GREY, own.maps["nose"][0] / 0.2).convert("L")).astype(int)
    assert heat.shape == (96, 64) and heat[4, 32] > heat[60, 32] + 100
    mixed = np.asarray(draw_regions_heat(GREY, {region: maps[0] for region, maps in own.maps.items()})).astype(int)
    for row, region in ((4, "nose"), (24, "B mouth")):
        near = np.abs(mixed[row, 32] - find_colour(region)).sum()
        assert near < np.abs(mixed[row, 32] - np.asarray(GREY)[0, 0]).sum() / 2
    grey = np.asarray(GREY.convert("L"))[0, 0]
    assert np.abs(mixed[80, 32] - grey).max() < 20


def test_a_sheet_has_a_row_for_the_mean_and_for_steps_of_each_person():
    one = draw_attention_sheet([GREY], [make_maps("face", "nose")])
    assert one.width == 3 * (235 + 6) + 6
    assert draw_attention_sheet([GREY], [make_maps("face", "nose")], steps=0).height < one.height / 3
    assert draw_attention_sheet([GREY], [make_maps("face", "nose", steps=(6,))]).height < one.height / 3
    two = draw_attention_sheet([GREY], [make_maps("A face", "A nose", "B nose")])
    assert two.width == one.width and two.height == pytest.approx(2 * one.height, rel=0.02)
    assert draw_attention_sheet([GREY] * 2, [make_maps("face", "nose")] * 2).height == two.height
    with pytest.raises(ConsistentIDError, match="No facial token acted"):
        draw_attention_sheet([GREY], [RegionMaps({}, (), 6)])


def test_steps_that_are_shown():
    assert choose_steps((4, 5, 6, 7, 8), 3) == [4, 6, 8]
    assert choose_steps((4, 5), 3) == [4, 5] and choose_steps((4, 5), 1) == [5] and choose_steps((4, 5), 0) == []
